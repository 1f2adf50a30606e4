import { clientError, ClientError, type Refusal } from './error.ts'
import { after } from './platform.ts'

/** The most requests that wait for an answer. */
const MAX_WAITING = 1000

/** How long a request waits for a connection before it is given up; it was not sent then. */
const UNSENT_TIMEOUT_MS = 30_000

interface Waiting {
  readonly text: string
  /** True if doing it twice does no harm. */
  readonly repeatable: boolean
  sent: boolean
  resolve(result: string): void
  reject(error: ClientError): void
  cancel(): void
}

/** Requests on their way and their answers, matched by number. */
export class Requests {
  readonly #send: (text: string) => boolean
  readonly #waiting = new Map<number, Waiting>()
  readonly #nextId: () => number

  /** @param send false if there is no connection now */
  constructor(send: (text: string) => boolean, nextId: () => number) {
    this.#send = send
    this.#nextId = nextId
  }

  /**
   * Asks the node; if there is no connection, as soon as there is one.
   * @param members JSON members of the request, without its number
   * @returns the result, as JSON text
   */
  ask(members: string, repeatable: boolean): Promise<string> {
    if (this.#waiting.size >= MAX_WAITING) {
      return Promise.reject(clientError('CLIENT_BUSY', MAX_WAITING))
    }
    const id = this.#nextId()
    const text = `{"id":${id},${members}}`
    return new Promise((resolve, reject) => {
      const cancel = after(UNSENT_TIMEOUT_MS, () => this.#giveUp(id))
      const waiting = { text, repeatable, sent: false, resolve, reject, cancel }
      this.#waiting.set(id, waiting)
      this.#dispatch(waiting)
    })
  }

  /** Takes an answer; false if nobody waits for that number. */
  answer(id: number, members: ReadonlyMap<string, string>): boolean {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return false
    this.#waiting.delete(id)
    waiting.cancel()
    const error = members.get('error')
    if (error === undefined) waiting.resolve(members.get('result') ?? 'null')
    else waiting.reject(new ClientError(JSON.parse(error) as Refusal))
    return true
  }

  /** There is a connection: sends what waits. */
  opened(): void {
    for (const waiting of this.#waiting.values()) if (!waiting.sent) this.#dispatch(waiting)
  }

  /** The connection is gone: what may have been done must not be done again. */
  lost(): void {
    for (const [id, waiting] of this.#waiting) {
      if (!waiting.sent) continue
      if (waiting.repeatable) waiting.sent = false
      else this.#fail(id, clientError('CONNECTION_LOST'))
    }
  }

  close(): void {
    for (const id of this.#waiting.keys()) this.#fail(id, clientError('CLIENT_CLOSED'))
  }

  #dispatch(waiting: Waiting): void {
    waiting.sent = this.#send(waiting.text)
  }

  #giveUp(id: number): void {
    if (this.#waiting.get(id)?.sent === false) {
      this.#fail(id, clientError('OFFLINE', 'the request was not sent'))
    }
  }

  #fail(id: number, error: ClientError): void {
    const waiting = this.#waiting.get(id)!
    this.#waiting.delete(id)
    waiting.cancel()
    waiting.reject(error)
  }
}
