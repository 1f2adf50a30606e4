import { connect, type Socket } from 'node:net'

/** One request over a connection that is kept alive, as bytes. */
export type NextRequest = () => Buffer | string

/** What came of a load. */
export interface LoadFigures {
  readonly perSecond: number
  /** Time from each request to its answer, in milliseconds. */
  readonly latenciesMs: readonly number[]
}

/** How a load is put on. */
export interface LoadOptions {
  readonly port: number
  readonly connections: number
  /** How many requests go before those that count: what runs first is not compiled yet. */
  readonly warmup: number
  readonly measureMs: number
  readonly next: NextRequest
  /** Called when the measurement begins, and when it ends. */
  readonly begun: () => Promise<void>
  readonly ended: () => Promise<void>
}

/** A warm-up ends after so long in any case. */
const MAX_WARMUP_MS = 10_000

const HEAD_END = '\r\n\r\n'

/** The bytes of a request; `body` only where there is one. */
export function requestText(method: string, path: string, body?: string): string {
  const head = `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n`
  if (body === undefined) return `${head}\r\n`
  const length = Buffer.byteLength(body)
  return `${head}content-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`
}

/**
 * Keeps a number of connections busy, each with one request at a time, for a while. It reads only what it must of
 * an answer, so that it is not what is measured.
 */
export async function load(options: LoadOptions): Promise<LoadFigures> {
  const run = new Run(options.next)
  const sockets = await Promise.all(
    Array.from({ length: options.connections }, () => opened(options.port)),
  )
  for (const socket of sockets) run.drive(socket)
  const deadline = performance.now() + MAX_WARMUP_MS
  while (run.count < options.warmup && performance.now() < deadline) await elapsed(20)
  await options.begun()
  const latenciesMs = run.measure()
  const start = performance.now()
  await elapsed(options.measureMs)
  const count = latenciesMs.length
  const perSecond = (count / (performance.now() - start)) * 1000
  await options.ended()
  run.over = true
  for (const socket of sockets) socket.destroy()
  if (run.failure !== undefined) throw new Error(`the server answered ${run.failure}`)
  return { perSecond, latenciesMs: latenciesMs.slice(0, count) }
}

class Run {
  over = false
  failure: string | undefined
  readonly #next: NextRequest
  #latenciesMs: number[] = []

  constructor(next: NextRequest) {
    this.#next = next
  }

  /** How many were answered since the load or its measurement began. */
  get count(): number {
    return this.#latenciesMs.length
  }

  measure(): number[] {
    return (this.#latenciesMs = [])
  }

  drive(socket: Socket): void {
    let sentMs = performance.now()
    let pending = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      pending += text
      if (!isWhole(pending)) return
      const now = performance.now()
      if (pending.charCodeAt(STATUS_AT) !== TWO) this.failure = pending
      this.#latenciesMs.push(now - sentMs)
      pending = ''
      sentMs = now
      if (!this.over) socket.write(this.#next())
    })
    socket.write(this.#next())
  }
}

/** Where the status is in `HTTP/1.1 200 OK`, and the digit that all good ones begin with. */
const STATUS_AT = 9
const TWO = '2'.charCodeAt(0)

function isWhole(answer: string): boolean {
  const headEnd = answer.indexOf(HEAD_END)
  if (headEnd === -1) return false
  const length = /content-length: (\d+)/i.exec(answer)
  return answer.length >= headEnd + HEAD_END.length + Number(length?.[1] ?? 0)
}

async function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.once('error', reject).once('connect', () => resolve(socket))
  })
}

/** Resolves after so long. */
export function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
