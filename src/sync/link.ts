import type { CancelTimer, Env } from '../core/env.ts'
import { type SkerryError, skerryError } from '../core/errors.ts'
import { sharedKeys } from '../core/path.ts'
import type { Contest, Store } from '../store/store.ts'
import { checkGreeting, greeting } from './greeting.ts'
import type { KnownPeer } from './known.ts'
import type { Forget, Hello, Message } from './messages.ts'
import { Session } from './session.ts'
import { PeerClock } from './peer-clock.ts'
import type { SessionLink } from './session-link.ts'
import type { Channel } from './transport.ts'
import { asSkerryError, Wire } from './wire.ts'

/** Both sides have this long to agree on what they share. */
const HANDSHAKE_LIMIT_MS = 10_000

/** The most messages that wait while the handshake goes on. */
const MAX_WAITING = 1000

/** What a link needs of the node it belongs to. */
export interface LinkHost {
  readonly store: Store
  readonly env: Env
  readonly keys: readonly string[]
  readonly repairIntervalMs: number
  /** The peer has introduced itself. */
  greeted(link: Link): Promise<void>
  /** Lets the peer in, or throws why not; resolves to what was known of it before. */
  admit(link: Link, hello: Hello): Promise<KnownPeer | undefined>
  /** The clock of the peer, let in or not, was measured again. */
  measured(link: Link): void
  /** The peer, let in before, has acknowledged more. */
  acknowledged(nodeId: string): void
  /** Versions met whose writers can't have known of each other, as far as this node can tell. */
  conflict(contest: Contest): void
  /** Both sides have agreed on what they share. */
  opened(link: Link): void
  /** A peer tells of nodes that won't come back. */
  forget(link: Link, nodes: Forget['nodes']): void
  /** The store has begun a new epoch: links that were greeted with the old one are to end. */
  renewed(): void
  /** The link is over; called once. */
  ended(link: Link, error: SkerryError): void
}

/** Which of the keys that both sides offer may be shared. */
export type MayShare = (key: string) => boolean

/** How a link came about. */
export interface LinkOrigin {
  /** True if this node opened it. */
  readonly dialed: boolean
  /** True if the peer is this node's leader. Default: it is not. */
  readonly leads?: boolean
  /** Left out: every key may be shared. */
  readonly mayShare?: MayShare | undefined
}

/**
 * One connection with one peer: hello, resume and stream each way, then whatever a {@link Session}
 * has to say. Messages are taken one after the other; each may make the next one wait.
 */
export class Link {
  /** True if this node opened it. */
  readonly dialed: boolean
  /** True if the peer is this node's leader. */
  readonly leads: boolean
  readonly #host: LinkHost
  readonly #clock: PeerClock
  readonly #wire: Wire
  readonly #epoch: string
  readonly #mayShare: MayShare | undefined
  readonly #waiting: { message: Message; bytes: number }[] = []
  readonly #cancelHandshake: CancelTimer
  #handling = false
  #peer: Hello | undefined
  #session: Session | undefined
  #closed = false

  constructor(host: LinkHost, channel: Channel, { dialed, leads = false, mayShare }: LinkOrigin) {
    this.#host = host
    this.dialed = dialed
    this.leads = leads
    this.#mayShare = mayShare
    const { env, store } = host
    this.#epoch = store.epoch
    this.#clock = new PeerClock({ env, leads, time: () => store.time() })
    this.#wire = new Wire(env, channel, this.#clock, {
      message: (message, bytes) => this.#arrived(message, bytes),
      measured: () => this.#host.measured(this),
      tick: () => this.#saveProgress(),
      closed: (error) => this.#end(error),
    })
    this.#cancelHandshake = env.setTimer(HANDSHAKE_LIMIT_MS, () =>
      this.close(skerryError('LINK_TIMEOUT', HANDSHAKE_LIMIT_MS)),
    )
    // Whoever has restricted rights is told only of keys that it may share, once it has named its own.
    if (mayShare === undefined) this.#introduce(host.keys)
  }

  /** How the peer introduced itself; undefined before it has. */
  get peer(): Hello | undefined {
    return this.#peer
  }

  /** The epoch that this node introduced itself with. */
  get epoch(): string {
    return this.#epoch
  }

  /** What goes on; undefined before both sides know each other. */
  get session(): Session | undefined {
    return this.#session
  }

  /** The peer's clock minus this node's, in nanoseconds; undefined before it was measured. */
  get clockOffsetNs(): bigint | undefined {
    return this.#clock.offsetNs
  }

  get bytesSent(): number {
    return this.#wire.bytesSent
  }

  get bytesReceived(): number {
    return this.#wire.bytesReceived
  }

  /** True if the peer is heard within `timeoutMs`. */
  probe(timeoutMs: number): Promise<boolean> {
    return this.#wire.probe(timeoutMs)
  }

  /** Resolves once all that the peer sent is merged, or could not be. */
  async settled(): Promise<void> {
    await this.#session?.settled()
  }

  /** There is something new in the store. */
  wake(): void {
    this.#session?.wake()
  }

  /** Ends the link once what it learnt is kept. */
  async stop(): Promise<void> {
    // A failing disk must not keep the node from stopping: what it didn't take is learnt again.
    await this.#session?.saveProgress().catch(() => undefined)
    this.close(skerryError('LINK_CLOSED', 'the node is stopping'))
  }

  /** Ends the link, telling the peer why. */
  close(error: SkerryError): void {
    this.#wire.close(error)
  }

  #arrived(message: Message, bytes: number): void {
    if (this.#waiting.length >= MAX_WAITING) throw skerryError('LINK_PROTOCOL', 'it does not wait')
    this.#waiting.push({ message, bytes })
    if (this.#handling) return
    this.#handleWaiting().catch((error: unknown) => this.close(asSkerryError(error)))
  }

  async #handleWaiting(): Promise<void> {
    this.#handling = true
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        if (this.#closed) return
        const pending = this.#handle(next.message, next.bytes)
        if (pending !== undefined) await pending
      }
    } finally {
      this.#handling = false
    }
  }

  #handle(message: Message, bytes: number): Promise<void> | void {
    if (this.#session !== undefined) return this.#session.handle(message, bytes)
    if (message.kind === 'hello') return this.#greeted(message)
    throw skerryError('LINK_PROTOCOL', `'${message.kind}' came before hello`)
  }

  async #greeted(hello: Hello): Promise<void> {
    const { store } = this.#host
    checkGreeting(hello, store.nodeId)
    this.#peer = hello
    if (this.#mayShare !== undefined) this.#introduce(this.shared(hello))
    await this.#host.greeted(this)
    // Whether anything is stamped too far ahead can be judged only now.
    await this.#wire.measureClock()
    if (this.#closed) return
    const known = await this.#host.admit(this, hello)
    // What this node stamped with a clock gone wild is put right before anybody sees it.
    await store.restamp()
    if (store.epoch !== this.#epoch) this.#host.renewed()
    if (this.#closed) return
    const link = this.#sessionLink(hello.nodeId, known?.forgotten === true)
    this.#session = new Session(link, hello, this.shared(hello))
  }

  #introduce(keys: readonly string[]): void {
    this.#wire.send(greeting(this.#host.store, keys))
  }

  /** What this node shares with a peer that introduces itself so. */
  shared(hello: Hello): string[] {
    const { keys } = this.#host
    return sharedKeys(keys, hello.keys).filter((key) => this.#mayShare?.(key) ?? true)
  }

  #sessionLink(nodeId: string, forgotten: boolean): SessionLink {
    const { store, env, repairIntervalMs } = this.#host
    return {
      store,
      forgotten,
      env,
      repairIntervalMs,
      dialed: this.dialed,
      send: (message) => this.#wire.send(message),
      failed: (error) => this.close(asSkerryError(error)),
      renewed: () => this.#host.renewed(),
      opened: () => {
        this.#cancelHandshake()
        this.#host.opened(this)
      },
      acknowledged: () => this.#host.acknowledged(nodeId),
      conflict: (contest) => this.#host.conflict(contest),
      forget: (nodes) => this.#host.forget(this, nodes),
    }
  }

  #saveProgress(): void {
    this.#session?.saveProgress().catch((error: unknown) => this.close(asSkerryError(error)))
  }

  #end(error: SkerryError): void {
    this.#closed = true
    this.#cancelHandshake()
    // What is not kept now is learnt again at the next handshake.
    this.#saveProgress()
    this.#session?.close(error.message)
    this.#host.ended(this, error)
  }
}
