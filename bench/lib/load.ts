import { connect, type Socket } from 'node:net'
import { once } from 'node:events'

/** One request over a connection that is kept alive, as bytes. */
export type NextRequest = () => Buffer

/** What came of a load. */
export interface LoadFigures {
  readonly count: number
  readonly perSecond: number
  /** Time from each request to its answer, in milliseconds. */
  readonly latenciesMs: readonly number[]
}

/** What answers are read into: all connections share it, since each chunk is looked at when it comes. */
const BUFFER_BYTES = 64 * 1024

/** How long the requests under way may take after a load is over. */
const DRAIN_MS = 30_000

const HEAD_END = '\r\n\r\n'
const LENGTH = 'ontent-length: '

/** Where the status is in `HTTP/1.1 200 OK`, and the digit that all good ones begin with. */
const STATUS_AT = 9
const TWO = '2'.charCodeAt(0)

/** The bytes of a request; `body` only where there is one. */
export function requestBytes(method: string, path: string, body?: string): Buffer {
  const head = `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n`
  if (body === undefined) return Buffer.from(`${head}\r\n`)
  const length = Buffer.byteLength(body)
  return Buffer.from(
    `${head}content-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`,
  )
}

/**
 * Connections to one server, each with one request at a time while there is a load, and open between loads. Of an
 * answer only what must be is read, without a stream in between, so that this is not what is measured.
 */
export class Load {
  readonly #clients: readonly Client[]
  readonly #run: Run

  constructor(clients: readonly Client[], run: Run) {
    this.#clients = clients
    this.#run = run
  }

  static async open(port: number, connections: number): Promise<Load> {
    const run: Run = { next: undefined, latenciesMs: [], failure: undefined, busy: 0 }
    const clients = Array.from({ length: connections }, () => new Client(port, run))
    await Promise.all(clients.map((client) => client.connected))
    return new Load(clients, run)
  }

  /** Keeps every connection busy for so long, and then waits for the requests that are under way. */
  async put(next: NextRequest, lastsMs: number): Promise<LoadFigures> {
    const run = this.#run
    const latenciesMs: number[] = (run.latenciesMs = [])
    run.next = next
    const start = performance.now()
    for (const client of this.#clients) client.ask(next())
    await elapsed(lastsMs)
    run.next = undefined
    const deadline = performance.now() + DRAIN_MS
    while (run.busy > 0 && performance.now() < deadline) await elapsed(1)
    if (run.failure !== undefined) throw new Error(`the server answered ${run.failure}`)
    if (run.busy > 0) throw new Error(`${run.busy} requests were not answered`)
    const count = latenciesMs.length
    return { count, perSecond: (count / (performance.now() - start)) * 1000, latenciesMs }
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }
}

/** What the connections of a load have in common. */
interface Run {
  /** Undefined: no further requests. */
  next: NextRequest | undefined
  latenciesMs: number[]
  failure: string | undefined
  /** Requests under way. */
  busy: number
}

class Client {
  readonly connected: Promise<unknown>
  readonly #socket: Socket
  readonly #run: Run
  #sentMs = 0
  /** The beginning of an answer that came in pieces. */
  #pending: Buffer | undefined

  constructor(port: number, run: Run) {
    this.#run = run
    const onread = {
      buffer: shared,
      callback: (length: number) => {
        this.#read(shared.subarray(0, length))
        return true
      },
    }
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread })
    this.connected = once(this.#socket, 'connect')
    this.#socket.on('close', () => (run.failure ??= 'nothing, and closed a connection'))
  }

  ask(request: Buffer): void {
    this.#run.busy++
    this.#sentMs = performance.now()
    this.#socket.write(request)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    const answer = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk])
    if (!isWhole(answer)) {
      this.#pending = Buffer.from(answer)
      return
    }
    this.#pending = undefined
    const run = this.#run
    run.busy--
    if (answer[STATUS_AT] !== TWO) run.failure ??= answer.toString('latin1')
    run.latenciesMs.push(performance.now() - this.#sentMs)
    if (run.next !== undefined) this.ask(run.next())
  }
}

const shared = Buffer.allocUnsafe(BUFFER_BYTES)

function isWhole(answer: Buffer): boolean {
  const headEnd = answer.indexOf(HEAD_END, STATUS_AT, 'latin1')
  if (headEnd === -1) return false
  let at = answer.indexOf(LENGTH, STATUS_AT, 'latin1')
  if (at === -1 || at > headEnd) return true
  let length = 0
  for (at += LENGTH.length; answer[at]! >= ZERO; at++) length = length * 10 + answer[at]! - ZERO
  return answer.length >= headEnd + HEAD_END.length + length
}

const ZERO = '0'.charCodeAt(0)

/** Resolves after so long. */
export function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
