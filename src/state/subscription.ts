import type { CancelTimer, Env } from '../core/env.ts'

/** The most bytes that may wait for a subscriber; beyond, it gets no patches, but a snapshot later. */
const MAX_BUFFERED_BYTES = 1024 * 1024

/** A subscriber whose buffer stays over the bound, and doesn't shrink for so long, is given up. */
const STUCK_MS = 30_000

/** A message to subscribers. The same object goes to all of them, so it can be encoded once. */
export interface Frame {
  /** `{"snapshot":…,"version":…,"data":…}` */
  readonly text: string
}

/** Why a subscription ended: its subscriber stayed stuck, the node stops, or reading or sending failed. */
export type EndReason = 'stuck' | 'stopped' | 'failed'

/** Who watches a path or glob. */
export interface Subscriber {
  /** Takes a frame and keeps it until it can go out. Throwing ends the subscription as failed. */
  frame(frame: Frame): void
  /** Bytes taken that have not gone out yet. */
  readonly bufferedBytes: number
  /** Nothing comes any more. Not called after `Subscription.close`; must not throw. */
  ended(reason: EndReason): void
}

/** What a subscription needs of the view it is on. */
export interface SubscribedView {
  snapshot(): Frame
  /** A subscriber was too slow, and gets a snapshot in the place of patches. */
  collapsed(): void
  leave(subscription: Subscription): void
}

/** A subscriber on a view. However slow it is, it costs bounded memory and nobody else waits for it. */
export class Subscription {
  readonly #view: SubscribedView
  readonly #subscriber: Subscriber
  readonly #env: Env
  #behind = false
  #closed = false
  #cancel: CancelTimer = () => undefined

  constructor(view: SubscribedView, subscriber: Subscriber, env: Env) {
    this.#view = view
    this.#subscriber = subscriber
    this.#env = env
  }

  /** Passes a frame on; or drops it if too much waits already, for a snapshot to make up for it. */
  deliver(frame: Frame): void {
    if (this.#behind || this.#closed) return
    const { bufferedBytes } = this.#subscriber
    if (bufferedBytes <= MAX_BUFFERED_BYTES) {
      this.#send(() => frame)
    } else {
      this.#behind = true
      this.#view.collapsed()
      this.#watchOver(bufferedBytes)
    }
  }

  /** Passes the whole on, as of now. */
  catchUp(): void {
    if (!this.#closed) this.#send(() => this.#view.snapshot())
  }

  /** The subscriber calls this when all it took has gone out. */
  drained(): void {
    if (!this.#behind) return
    this.#behind = false
    this.#cancel()
    this.catchUp()
  }

  /** Ends it: the subscriber hears no more. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancel()
    this.#view.leave(this)
  }

  /** Ends it and tells the subscriber why. */
  end(reason: EndReason): void {
    if (this.#closed) return
    this.close()
    this.#subscriber.ended(reason)
  }

  /** Whatever goes wrong here concerns this subscriber, never the write that is being told of. */
  #send(make: () => Frame): void {
    try {
      this.#subscriber.frame(make())
    } catch {
      this.end('failed')
    }
  }

  #watchOver(bufferedBytes: number): void {
    this.#cancel = this.#env.setTimer(STUCK_MS, () => {
      const left = this.#subscriber.bufferedBytes
      if (left < bufferedBytes) this.#watchOver(left)
      else this.end('stuck')
    })
  }
}
