import type { Channel, ChannelListener } from '../src/sync/transport.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** More than this waiting to go out means that the sender heeds no flow control. */
export const MAX_BUFFERED_BYTES = 8 * 1024 * 1024

/** How the network behaves; all rates are probabilities. */
export interface NetworkOptions {
  /** The way in one direction takes so long, in milliseconds; drawn anew for each frame. */
  readonly delayMs: readonly [low: number, high: number]
  /** Bytes that a connection carries in a millisecond, each way. */
  readonly bytesPerMs: number
  /** How often a single frame is lost, comes twice, or comes late and out of order. */
  readonly loss: number
  readonly duplicate: number
  readonly reorder: number
  /** How often a connection breaks, for each frame that it carries. */
  readonly reset: number
  /** How often a dial is refused though somebody listens. */
  readonly refuse: number
}

/** What connections need of the network that they lie in. */
export interface Medium {
  readonly world: World
  readonly random: Random
  readonly options: NetworkOptions
  /** Frames carried so far, and the bytes in them. */
  readonly carried: { frames: number; bytes: number }
  /** Sees every frame that is sent, and changes nothing. */
  readonly tap: ((from: string, to: string, frame: Uint8Array) => void) | undefined
  isBlocked(from: string, to: string): boolean
  delay(): number
  forget(connection: Connection): void
}

/** Two ends, and the frames under way between them. */
export class Connection {
  readonly dialler: End
  readonly acceptor: End
  readonly #network: Medium

  /** @param readyMs when the dialler learns of it: nothing reaches it earlier */
  constructor(network: Medium, from: Process, to: Process, readyMs: number) {
    this.#network = network
    this.dialler = new End(network, from)
    this.acceptor = new End(network, to)
    this.dialler.join(this.acceptor, network.world.nowMs)
    this.acceptor.join(this.dialler, network.world.nowMs + readyMs)
  }

  joins(a: string, b: string): boolean {
    const names = [this.dialler.process.name, this.acceptor.process.name]
    return names.includes(a) && names.includes(b)
  }

  reset(): void {
    this.dialler.break('connection reset')
    this.acceptor.break('connection reset')
    this.#network.forget(this)
  }

  abandon(process: Process, silently: boolean): void {
    for (const end of [this.dialler, this.acceptor]) {
      if (end.process === process) end.abandon(silently)
    }
    if (this.dialler.isClosed && this.acceptor.isClosed) this.#network.forget(this)
  }

  /** Lets go of the frames that waited for a way that is open again. */
  release(): void {
    this.dialler.release()
    this.acceptor.release()
    if (this.dialler.isClosed && this.acceptor.isClosed) this.#network.forget(this)
  }
}

/** Something under way to the other end, where it happens. */
interface Parcel {
  readonly bytes: number
  readonly leavesMs: number
  readonly arrive: () => void
}

/** One side of a connection: a channel to the process that holds it. */
class End implements Channel {
  readonly process: Process
  readonly #network: Medium
  #peer!: End
  #listener: ChannelListener | undefined
  #closed = false
  /** The machine lost its power: not even a reset comes back from it. */
  #mute = false
  /** What came before anybody listened. */
  #early: Uint8Array[] = []
  /** Frames that have not left yet, for counting what is buffered. */
  #leaving: Parcel[] = []
  /** What arrived at a blocked way, in order. */
  #held: Parcel[] = []
  #lastLeavesMs = 0
  #lastArrivesMs = 0

  constructor(network: Medium, process: Process) {
    this.#network = network
    this.process = process
  }

  join(peer: End, earliestMs: number): void {
    this.#peer = peer
    this.#lastArrivesMs = earliestMs
  }

  get isClosed(): boolean {
    return this.#closed
  }

  listen(listener: ChannelListener): void {
    this.#listener = listener
    for (const frame of this.#early.splice(0)) listener.frame(frame)
  }

  get bufferedBytes(): number {
    const { nowMs } = this.#network.world
    this.#leaving = this.#leaving.filter(({ leavesMs }) => leavesMs > nowMs)
    return [...this.#leaving, ...this.#held].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  send(frame: Uint8Array): void {
    if (this.#closed || !this.process.alive) return
    const { options, random, carried, tap } = this.#network
    tap?.(this.process.name, this.#peer.process.name, frame)
    carried.frames++
    carried.bytes += frame.length
    if (random.chance(options.reset)) {
      this.#peer.break('connection reset')
      this.break('connection reset')
      return
    }
    const deliver = (): void => this.#peer.#receive(frame)
    if (random.chance(options.loss)) return
    const late = random.chance(options.reorder) ? 5 + random.below(50) : 0
    this.#carry(frame.length, deliver, late)
    if (random.chance(options.duplicate)) this.#carry(frame.length, deliver, random.below(50))
    if (this.bufferedBytes > MAX_BUFFERED_BYTES) {
      this.#network.world.fail('bounds', `${this.process.name} buffers without end for a peer`)
    }
  }

  close(reason: string): void {
    if (this.#closed) return
    this.#end(reason)
    this.#carry(0, () => this.#peer.#end(`closed by the peer: ${reason}`), 0)
  }

  /** The connection broke; this side learns of it. */
  break(reason: string): void {
    this.process.at(0, '', () => this.#end(reason))
  }

  /** The process that held this end is gone. */
  abandon(silently: boolean): void {
    this.#closed = true
    this.#mute = silently
    if (!silently) this.#carry(0, () => this.#peer.#end('connection reset'), 0)
  }

  release(): void {
    if (this.#network.isBlocked(this.process.name, this.#peer.process.name)) return
    // At once, or what is under way already would come before it.
    for (const { arrive } of this.#held.splice(0)) arrive()
  }

  #carry(bytes: number, arrive: () => void, lateMs: number): void {
    const { world, options } = this.#network
    const leavesMs = Math.max(world.nowMs, this.#lastLeavesMs) + bytes / options.bytesPerMs
    this.#lastLeavesMs = leavesMs
    const inOrderMs = Math.max(leavesMs + this.#network.delay(), this.#lastArrivesMs)
    // What is late is overtaken: it doesn't hold up what comes after it.
    if (lateMs === 0) this.#lastArrivesMs = inOrderMs
    const parcel = { bytes, leavesMs, arrive }
    this.#leaving.push(parcel)
    world.at(inOrderMs + lateMs - world.nowMs, '', () => this.#arrive(parcel))
  }

  #arrive(parcel: Parcel): void {
    const from = this.process.name
    const to = this.#peer.process.name
    if (this.#held.length > 0 || this.#network.isBlocked(from, to)) this.#held.push(parcel)
    else parcel.arrive()
  }

  #receive(frame: Uint8Array): void {
    const { process } = this
    if (this.#mute) return
    if (this.#closed || !process.alive) {
      // Nobody holds this end any more: the machine answers with a reset.
      this.#carry(0, () => this.#peer.#end('connection reset'), 0)
      return
    }
    const label = `${process.name} gets ${frame.length} B from ${this.#peer.process.name}`
    process.at(0, label, () => {
      if (this.#closed) return
      if (this.#listener === undefined) this.#early.push(frame)
      else this.#listener.frame(frame)
    })
  }

  #end(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    const { process } = this
    process.at(0, `${process.name} link closed: ${reason}`, () => this.#listener?.closed(reason))
  }
}
