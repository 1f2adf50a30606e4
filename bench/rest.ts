/**
 * How many requests a second does a node answer over REST? 64 connections, entries of 200 B: reads, writes kept in
 * memory, and durable writes. Beside it, in the same run, bare `node:http` that keeps texts in a Map, in memory.
 * Rounds interleave, one process each. The CPU time of a request tells more than its rate where others load the
 * machine.
 */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { median, percentile, printRatio } from './lib/figures.ts'
import { load, type NextRequest, requestText } from './lib/load.ts'
import { builtPackage, isSide, type Serve, type Served, type Side, startSide } from './lib/side.ts'

const CONNECTIONS = 64
const ROUNDS = 3
const WARMUP_REQUESTS = 40_000
const MEASURE_MS = 1500
const PATHS = 1000

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

interface Figures {
  readonly perSecond: number
  readonly p99Ms: number
  readonly cpuUs: number
}

const padding = randomBytes(1 << 16).toString('base64')

function randomPath(): string {
  return `/users/${Math.floor(Math.random() * PATHS)}`
}

function randomBody(): string {
  const at = Math.floor(Math.random() * (padding.length - 200))
  return `{"name":"${padding.slice(at, at + 100)}"}`
}

const get: NextRequest = () => requestText('GET', randomPath())
const post: NextRequest = () => requestText('POST', randomPath(), randomBody())

async function measured(side: Side, next: NextRequest): Promise<Figures> {
  const { port } = side
  const options = {
    port,
    connections: CONNECTIONS,
    warmup: WARMUP_REQUESTS,
    measureMs: MEASURE_MS,
  }
  let beforeUs = 0
  let usedUs = 0
  const begun = async (): Promise<void> => void (beforeUs = await side.cpuUs())
  const ended = async (): Promise<void> => void (usedUs = (await side.cpuUs()) - beforeUs)
  const { perSecond, latenciesMs } = await load({ ...options, next, begun, ended })
  return { perSecond, p99Ms: percentile(latenciesMs, 0.99), cpuUs: usedUs / latenciesMs.length }
}

async function fill({ port }: Side): Promise<void> {
  for (let n = 0; n < PATHS; n++) {
    const url = `http://127.0.0.1:${port}/users/${n}`
    await (await fetch(url, { method: 'POST', body: randomBody() })).text()
  }
}

/** Measures both sides in turn; a round of one is compared with the round of the other beside it. */
async function compare(what: string, name: string, next: NextRequest): Promise<void> {
  const rounds: { ours: Figures; theirs: Figures }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const ours = await oneRound(name, next)
    rounds.push({ ours, theirs: await oneRound('bare', next) })
  }
  const ratios = rounds.map(({ ours, theirs }) => ours.perSecond / theirs.perSecond)
  for (const [unit, pick] of [
    ['requests/s', (figures: Figures) => figures.perSecond],
    ['µs of CPU each', (figures: Figures) => figures.cpuUs],
    ['ms p99', (figures: Figures) => figures.p99Ms],
  ] as const) {
    printRatio(what, {
      ours: median(rounds.map(({ ours }) => pick(ours))),
      theirs: median(rounds.map(({ theirs }) => pick(theirs))),
      peer: 'bare node:http',
      unit,
    })
  }
  console.log(`${what}: median of the rounds' ratios of requests/s ${median(ratios).toFixed(2)}`)
}

async function oneRound(name: string, next: NextRequest): Promise<Figures> {
  const side = await startSide(import.meta.url, name)
  try {
    await fill(side)
    return await measured(side, next)
  } finally {
    await side.stop()
  }
}

if (!(await isSide(sides))) {
  await compare('GET of an entry', 'memory', get)
  await compare('POST, kept in memory', 'memory', post)
  await compare('POST, durable', 'durable', post)
}
