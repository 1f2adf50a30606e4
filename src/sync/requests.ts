import { skerryError, type SkerryError } from '../core/errors.ts'
import type { Compared, Entries, Message, Pushed } from './messages.ts'

type Answer = Compared | Entries | Pushed

interface Waiting {
  readonly kind: Answer['kind']
  readonly resolve: (answer: never) => void
  readonly reject: (error: SkerryError) => void
}

/** The questions of a repair that wait for their answers. */
export class Requests {
  readonly #send: (message: Message) => unknown
  readonly #waiting = new Map<number, Waiting>()
  #next = 1

  constructor(send: (message: Message) => unknown) {
    this.#send = send
  }

  /** Sends a question under a fresh id; resolves to the answer of that kind. */
  ask<K extends Answer['kind']>(
    kind: K,
    question: (id: number) => Message,
  ): Promise<Extract<Answer, { kind: K }>> {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { kind, resolve, reject })
      this.#send(question(id))
    })
  }

  /** @throws SKERRY_LINK_PROTOCOL if nobody asked */
  answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    if (waiting?.kind !== answer.kind)
      throw skerryError('LINK_PROTOCOL', 'an answer nobody asked for')
    this.#waiting.delete(answer.id)
    waiting.resolve(answer as never)
  }

  /** Rejects every question that still waits. */
  close(error: SkerryError): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
