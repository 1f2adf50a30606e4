import type { ClientError } from './error.ts'
import { Copy, type Snapshot } from '../core/copy.ts'
import type { Value } from '../core/value.ts'
import { overlaid, type PendingWrite } from './overlay.ts'
import type { Watched } from '../core/watch.ts'

/** One path or glob that somebody watches: what the node showed of it, and this client's own writes on top. */
export class Subject implements Watched<ClientError> {
  readonly id: number
  readonly pattern: string
  /** How many watches look at it. */
  watches = 0
  /** Why the node does not show it. */
  failure: ClientError | undefined
  #copy: Copy
  #kept: Value | undefined
  #live = false
  #ended = false
  #value: Value | undefined
  #writes: readonly PendingWrite[] = []
  readonly #listeners = new Set<() => void>()

  constructor(id: number, pattern: string) {
    this.id = id
    this.pattern = pattern
    this.#copy = new Copy(pattern)
  }

  get value(): Value | undefined {
    return this.#value
  }

  get live(): boolean {
    return this.#live
  }

  get ended(): boolean {
    return this.#ended
  }

  /** What the node showed last, in this life of the client. */
  get held(): Snapshot | undefined {
    return this.#copy.held
  }

  subscribe(listener: () => void): () => void {
    const own = (): void => listener()
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  /** What the storage has of it, unless the node was faster. */
  remember(value: Value, version: string | undefined): void {
    if (this.held !== undefined) return
    this.#kept = value
    if (version !== undefined) this.#copy = new Copy(this.pattern, { version, value })
    this.#show()
  }

  /** @throws if the frame does not follow */
  take(members: ReadonlyMap<string, string>): void {
    this.#copy.take(members)
    this.#kept = undefined
    this.failure = undefined
    this.#live = true
    this.#show()
  }

  /** A copy that went wrong is not to be resumed: a fresh one is asked for. */
  forget(): void {
    if (this.held !== undefined) this.#kept = this.held.value
    this.#copy = new Copy(this.pattern)
  }

  /** True as soon as the node keeps it in step, even if nothing had changed. */
  setLive(live: boolean): void {
    if (this.#live === live) return
    this.#live = live
    this.#tell()
  }

  /** The client is closed. */
  end(): void {
    this.#ended = true
    this.#live = false
    this.#tell()
  }

  /** The node refuses to show it. */
  fail(error: ClientError): void {
    this.failure = error
    this.#live = false
    this.#tell()
  }

  setWrites(writes: readonly PendingWrite[]): void {
    if (writes.length === 0 && this.#writes.length === 0) return
    this.#writes = writes
    this.#show()
  }

  #show(): void {
    const base = this.#base()
    if (base === undefined) return
    this.#value = overlaid(this.pattern, base, this.#writes)
    this.#tell()
  }

  #base(): Value | undefined {
    if (this.held !== undefined) return this.held.value
    return this.#kept === undefined ? this.#blank() : this.#kept
  }

  /** Where nothing is known yet, this client's own writes show all the same. */
  #blank(): Value | undefined {
    const blank = this.pattern.includes('*') ? [] : null
    return overlaid(this.pattern, blank, this.#writes) === blank ? undefined : blank
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
