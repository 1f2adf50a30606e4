import type { CancelTimer, Env } from '../core/env.ts'
import { messageOf, type SkerryError } from '../core/errors.ts'
import { backoffMs } from './backoff.ts'
import type { Link } from './link.ts'
import type { Channel, Transport } from './transport.ts'

/** A link that held for so long counts as a success: the next attempt comes soon. */
const STEADY_MS = 10_000

/** What a dialer needs of its sync. */
export interface DialerHost {
  readonly env: Env
  readonly transport: Transport
  /** Makes a link of a channel that was opened. */
  link(channel: Channel, dialer: Dialer): Link
  /** Calls back once no link with that node is up; at once if there is none. */
  whenUnlinked(nodeId: string, callback: () => void): void
  /** An attempt came to nothing, for a reason that was not told since the last link opened. */
  unreached(dialer: Dialer, reason: string): void
}

/** Keeps a link up to one address: dials, and dials again with jittered backoff. */
export class Dialer {
  readonly url: string
  /** True if the node at this address leads: its clock is the reference. */
  readonly leads: boolean
  readonly #host: DialerHost
  #link: Link | undefined
  #cancel: CancelTimer = () => undefined
  #failures = 0
  #lastError: string | undefined
  /** The reason that was told last. */
  #told: string | undefined
  #linkedAtMs = 0
  #stopped = false

  constructor(host: DialerHost, url: string, leads: boolean) {
    this.#host = host
    this.url = url
    this.leads = leads
  }

  get link(): Link | undefined {
    return this.#link
  }

  /** Attempts in a row that came to nothing. */
  get failures(): number {
    return this.#failures
  }

  get lastError(): string | undefined {
    return this.#lastError
  }

  start(): void {
    this.#dial().catch((error: unknown) => this.#retry(messageOf(error)))
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  /** Its link has opened: what ends it, and what fails from then on, is news again. */
  opened(): void {
    this.#told = undefined
  }

  /** Its link has ended. */
  ended(error: SkerryError): void {
    const { peer, session } = this.#link ?? {}
    const nodeId = peer?.nodeId
    const heldMs = this.#host.env.monotonicMs() - this.#linkedAtMs
    this.#link = undefined
    // The end of an open link is told as such, and that of one of two is no loss.
    if (session?.open === true || error.code === 'SKERRY_LINK_REPLACED') this.#told = error.message
    if (heldMs >= STEADY_MS) this.#failures = 0
    // The peer may have dialed this node at the same time; one link of the two is enough.
    if (nodeId === undefined) this.#retry(error.message)
    else this.#host.whenUnlinked(nodeId, () => this.#retry(error.message))
  }

  async #dial(): Promise<void> {
    const channel = await this.#host.transport.dial(this.url)
    if (this.#stopped) return channel.close('stopped')
    this.#linkedAtMs = this.#host.env.monotonicMs()
    this.#link = this.#host.link(channel, this)
  }

  #retry(reason: string): void {
    this.#lastError = reason
    if (this.#stopped) return
    this.#failures++
    if (reason !== this.#told) this.#host.unreached(this, reason)
    this.#told = reason
    const { env } = this.#host
    this.#cancel = env.setTimer(backoffMs(this.#failures, env.random()), () => this.start())
  }
}
