/**
 * How many requests a second does a node answer over REST? 64 connections, entries of 120 B: reads, writes kept in
 * memory, and durable writes. Beside it, in the same run, bare `node:http` that keeps texts in a Map, in memory.
 *
 * Each side has processes of its own, because V8 settles differently in each, and this one asks. A pair of them takes
 * turns in short rounds, so that each of ours is compared with the one beside it, and then makes way for the next pair:
 * V8 lets code go that has not run for a while, and a server that waited would first have to warm up again. The machine
 * is shared with whoever else works on it: the CPU time of a request, of all threads of a server, tells more than its
 * rate. So does that of the asking: what a side answers can't be more than what is asked.
 */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { median, percentile, printRatio } from './lib/figures.ts'
import { Load, type NextRequest, requestBytes } from './lib/load.ts'
import { builtPackage, isSide, type Serve, type Served, type Side, startSide } from './lib/side.ts'

const CONNECTIONS = 64
/** How many processes each side has, and how many rounds each of them. */
const PAIRS = 3
const ROUNDS = 8
const ROUND_MS = 400
/** What runs first is not compiled yet. */
const WARMUP_REQUESTS = 40_000
const MAX_WARMUP_MS = 10_000
/** Rounds that don't count: what was let go while the other side warmed up comes back in them. */
const WARMUP_ROUNDS = 3
const PATHS = 1000
/** Requests are made before the measurement, and used again and again. */
const REQUESTS = 8192

async function node(place: { data: string } | { memory: true }): Promise<Served> {
  const { createServer } = await builtPackage()
  const server = await createServer({ port: 0, ...place })
  await server.listen()
  return { port: Number(new URL(server.url).port) }
}

/** The least that an HTTP server in Node can do for the same answers. */
async function bare(): Promise<Served> {
  const kept = new Map<string, string>()
  const server = createServer((request, response) => {
    const path = request.url!
    if (request.method === 'GET') {
      const text = kept.get(path)!
      const head = {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(text),
      }
      response.writeHead(200, head).end(text)
      return
    }
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      kept.set(path, Buffer.concat(chunks).toString())
      const answer = '{"index":"1"}'
      const head = {
        'content-type': 'application/json; charset=utf-8',
        'content-length': answer.length,
      }
      response.writeHead(200, head).end(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port }
}

const sides: Record<string, Serve> = {
  memory: () => node({ memory: true }),
  durable: (dir) => node({ data: dir }),
  bare,
}

const padding = randomBytes(1 << 16).toString('base64')

function randomPath(): string {
  return `/users/${Math.floor(Math.random() * PATHS)}`
}

function randomBody(): string {
  const at = Math.floor(Math.random() * (padding.length - 200))
  return `{"name":"${padding.slice(at, at + 100)}"}`
}

/** Goes round and round through requests made beforehand. */
function cycle(make: () => Buffer): NextRequest {
  const requests = Array.from({ length: REQUESTS }, make)
  let at = 0
  return () => requests[at++ % REQUESTS]!
}

const get = cycle(() => requestBytes('GET', randomPath()))
const post = cycle(() => requestBytes('POST', randomPath(), randomBody()))

interface Figures {
  readonly perSecond: number
  readonly p99Ms: number
  /** CPU time of one request in all threads of the server, in microseconds. */
  readonly cpuUs: number
  /** The same of asking. */
  readonly askingUs: number
}

/** One side under load. */
class Contender {
  readonly #side: Side
  readonly #load: Load

  constructor(side: Side, load: Load) {
    this.#side = side
    this.#load = load
  }

  static async of(name: string, next: NextRequest): Promise<Contender> {
    const side = await startSide(import.meta.url, name)
    const { port } = side
    for (let n = 0; n < PATHS; n++) {
      const url = `http://127.0.0.1:${port}/users/${n}`
      await (await fetch(url, { method: 'POST', body: randomBody() })).text()
    }
    const load = await Load.open(port, CONNECTIONS)
    const deadline = performance.now() + MAX_WARMUP_MS
    let warm = 0
    while (warm < WARMUP_REQUESTS && performance.now() < deadline) {
      warm += (await load.put(next, ROUND_MS)).count
    }
    return new Contender(side, load)
  }

  async round(next: NextRequest): Promise<Figures> {
    const before = await this.#side.cpuUs()
    const beforeHere = process.cpuUsage()
    const { count, perSecond, latenciesMs } = await this.#load.put(next, ROUND_MS)
    const { user, system } = process.cpuUsage(beforeHere)
    const cpuUs = ((await this.#side.cpuUs()) - before) / count
    const askingUs = (user + system) / count
    return { perSecond, p99Ms: percentile(latenciesMs, 0.99), cpuUs, askingUs }
  }

  async close(): Promise<void> {
    this.#load.close()
    await this.#side.stop()
  }
}

/** A round of ours, and one of the other side after it. */
interface Round {
  readonly ours: Figures
  readonly theirs: Figures
}

/** Measures one process of each side, in turn. */
async function roundsOf(name: string, next: NextRequest): Promise<Round[]> {
  const ours = await Contender.of(name, next)
  const theirs = await Contender.of('bare', next)
  const rounds: Round[] = []
  for (let round = -WARMUP_ROUNDS; round < ROUNDS; round++) {
    const figures = { ours: await ours.round(next), theirs: await theirs.round(next) }
    if (round >= 0) rounds.push(figures)
  }
  await ours.close()
  await theirs.close()
  return rounds
}

/** Compares both sides, by the middle one of the ratios of rounds side by side. */
async function compare(what: string, name: string, next: NextRequest): Promise<void> {
  const rounds: Round[] = []
  for (let pair = 0; pair < PAIRS; pair++) rounds.push(...(await roundsOf(name, next)))
  for (const [unit, pick] of [
    ['requests/s', (figures: Figures) => figures.perSecond],
    ['µs of CPU each', (figures: Figures) => figures.cpuUs],
    ['ms p99', (figures: Figures) => figures.p99Ms],
    ['µs of CPU for asking', (figures: Figures) => figures.askingUs],
  ] as const) {
    printRatio(what, {
      ours: median(rounds.map(({ ours }) => pick(ours))),
      theirs: median(rounds.map(({ theirs }) => pick(theirs))),
      peer: 'bare node:http',
      unit,
    })
  }
  const rates = rounds.map(({ ours, theirs }) => ours.perSecond / theirs.perSecond)
  const costs = rounds.map(({ ours, theirs }) => theirs.cpuUs / ours.cpuUs)
  const [rate, cost] = [median(rates).toFixed(2), median(costs).toFixed(2)]
  console.log(`${what}: of the rate of bare node:http ${rate}; by CPU time alone it were ${cost}`)
}

if (!(await isSide(sides))) {
  await compare('GET of an entry', 'memory', get)
  await compare('POST, kept in memory', 'memory', post)
  await compare('POST, durable', 'durable', post)
}
