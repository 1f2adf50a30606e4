import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import { Sync } from '../../src/sync/sync.ts'
import type { SyncOptions } from '../../src/sync/options.ts'
import type { Channel, ChannelListener, Transport } from '../../src/sync/transport.ts'
import { VirtualEnv } from '../../src/testing/env.ts'

/** One end of a channel inside this process. */
export class LoopChannel implements Channel {
  readonly bufferedBytes = 0
  readonly #network: Loop
  #other: LoopChannel | undefined
  #listener: ChannelListener | undefined
  #early: Uint8Array[] = []
  #closed = false

  constructor(network: Loop) {
    this.#network = network
  }

  static pair(network: Loop): [LoopChannel, LoopChannel] {
    const [a, b] = [new LoopChannel(network), new LoopChannel(network)]
    a.#other = b
    b.#other = a
    return [a, b]
  }

  listen(listener: ChannelListener): void {
    this.#listener = listener
    for (const frame of this.#early) listener.frame(frame)
  }

  send(frame: Uint8Array): void {
    if (this.#closed) return
    this.#network.carried(frame)
    if (this.#closed) return
    setImmediate(() => this.#other!.#receive(frame))
  }

  close(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    setImmediate(() => this.#other!.#hangUp(reason))
  }

  #receive(frame: Uint8Array): void {
    if (this.#closed) return
    if (this.#listener) this.#listener.frame(frame)
    else this.#early.push(frame)
  }

  #hangUp(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#listener?.closed(reason)
  }
}

/** A network inside this process, which counts what it carries. */
export class Loop implements Transport {
  readonly #nodes = new Map<string, Sync>()
  readonly #channels: LoopChannel[] = []
  #bytes = 0
  #frames = 0
  #isCut = false
  /** Sees each frame that is sent. */
  watcher: ((frame: Uint8Array) => void) | undefined

  get bytes(): number {
    return this.#bytes
  }

  carried(frame: Uint8Array): void {
    this.#frames++
    this.#bytes += frame.length
    this.watcher?.(frame)
  }

  /** Ends all connections, and refuses further ones until told otherwise; what is on its way is lost. */
  cut(cut = true): void {
    this.#isCut = cut
    if (!cut) return
    for (const channel of this.#channels) channel.close('cut')
    this.#channels.length = 0
  }

  serve(url: string, sync: Sync): void {
    this.#nodes.set(url, sync)
  }

  dial(url: string): Promise<Channel> {
    const sync = this.#nodes.get(url)
    if (sync === undefined || this.#isCut) {
      return Promise.reject(new Error(`nobody listens at ${url}`))
    }
    const [near, far] = LoopChannel.pair(this)
    this.#channels.push(near, far)
    sync.accept(far)
    return Promise.resolve(near)
  }

  /** Waits until nothing is under way any more. */
  async settled(): Promise<void> {
    for (let quiet = 0, seen = -1; quiet < 5;) {
      await new Promise((resolve) => setImmediate(resolve))
      quiet = seen === this.#frames ? quiet + 1 : 0
      seen = this.#frames
    }
  }
}

/** A node in memory, whose time is virtual. */
export interface LoopNode {
  readonly env: VirtualEnv
  readonly store: LocalStore
  readonly sync: Sync
}

export async function loopNode(
  loop: Loop,
  nodeId: string,
  options: Partial<SyncOptions> & { engine?: MemoryEngine } = {},
): Promise<LoopNode> {
  const { engine = new MemoryEngine(), ...syncOptions } = options
  const env = new VirtualEnv(nodeId.length)
  const store = await LocalStore.open(engine, env, { nodeId })
  const sync = new Sync({ store, env, transport: loop, ...syncOptions })
  loop.serve(nodeId, sync)
  sync.start()
  return { env, store, sync }
}

export async function put(node: LoopNode, path: string, value: unknown): Promise<void> {
  await node.store.write([{ path, decide: () => JSON.stringify(value) }])
}

/** Digest of everything a node holds. */
export async function rootOf(node: LoopNode): Promise<string> {
  return (await node.store.digest('**')).root()
}
