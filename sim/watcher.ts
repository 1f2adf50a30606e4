import jsonPatch, { type Operation } from 'fast-json-patch'
import type { EndReason, Frame, Subscriber } from '../src/state/subscription.ts'

/** A frame as a client reads it. */
interface Message {
  readonly snapshot: boolean
  readonly version: string
  readonly previous?: string
  readonly data: unknown
}

/** A subscriber as a client would be: it holds a copy and applies each patch to it, with a library. */
export class Watcher implements Subscriber {
  bufferedBytes = 0
  /** What the client holds; undefined before the first snapshot. */
  copy: unknown
  readonly texts: string[] = []
  readonly versions: string[] = []
  reason: EndReason | undefined
  #held: string | undefined
  #heard: (() => void)[] = []

  /** One that comes back with what this one has, and hears of what it missed. */
  successor(): Watcher {
    const watcher = new Watcher()
    watcher.copy = structuredClone(this.copy)
    watcher.#held = this.version
    return watcher
  }

  frame({ text }: Frame): void {
    const message = JSON.parse(text) as Message
    // A patch says what it applies to, so a client sees a gap (O10).
    if (!message.snapshot && message.previous !== this.version) {
      throw new Error(`a patch for ${message.previous} came to who has ${this.version}`)
    }
    this.texts.push(text)
    this.versions.push(message.version)
    this.copy = message.snapshot
      ? message.data
      : jsonPatch.applyPatch(this.copy, message.data as Operation[], true).newDocument
    for (const resolve of this.#heard.splice(0)) resolve()
  }

  ended(reason: EndReason): void {
    this.reason = reason
  }

  get version(): string | undefined {
    return this.versions.at(-1) ?? this.#held
  }

  /** Resolves when `count` frames have come in all. */
  async frames(count: number): Promise<void> {
    while (this.texts.length < count) {
      await new Promise<void>((resolve) => this.#heard.push(resolve))
    }
  }
}
