/**
 * How many deliveries a second does a node make to its subscribers, and what does one that stops reading cost the
 * others? A delivery is one change seen by one subscriber. Beside it, in the same run, the naive loop: each change
 * goes out by `ws.send` to each socket. Both keep nothing on a disk, have a process of their own, and take turns.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import { median, percentile, printRatio } from './lib/figures.ts'
import { elapsed } from './lib/load.ts'
import {
  builtPackage,
  isSide,
  type Serve,
  type Served,
  type Side,
  startSide,
  type Work,
} from './lib/side.ts'

const SUBSCRIBERS = [1, 100, 1000]
const ROUNDS = 3
const BATCHES = 6
/** Changes of a batch, which all subscribers have seen before the next one begins. */
const CHANGES = 960
const CHANGE_BYTES = 100
/** Changes that are made in one turn of the event loop. */
const CHANGES_A_TURN = 16

const LATENCY_SUBSCRIBERS = 50
const LATENCY_CHANGES = 600
const LATENCY_PAUSE_MS = 2
const LATENCY_BYTES = 8192

const LAST = '"last '

/** A batch of changes, as it is ordered. */
interface Batch {
  /** Which one it is: every batch says something new. */
  readonly batch: number
  readonly count: number
  /** Of each change, about. */
  readonly bytes: number
  /** 1 if the changes of a turn are made at once, and 0 if one waits for the other. */
  readonly together: number
}

/** The texts of a batch; only the last one says so. */
function bodies({ batch, count, bytes }: Batch): string[] {
  const padding = `${batch}`.padEnd(bytes, 'x')
  return Array.from({ length: count }, (_, n) => {
    const name = n === count - 1 ? `last ${batch}` : `${n} ${batch}`
    return `{"n":"${name}","padding":"${padding}"}`
  })
}

/** Calls `publish` for the texts, so many in each turn, and waits for its promises, one by one or all at once. */
async function inTurns(
  texts: readonly string[],
  together: boolean,
  publish: (n: number, text: string) => unknown,
): Promise<void> {
  for (let n = 0; n < texts.length; n += CHANGES_A_TURN) {
    const turn = texts.slice(n, n + CHANGES_A_TURN)
    if (together) await Promise.all(turn.map((text, i) => publish(n + i, text)))
    else for (const [i, text] of turn.entries()) await publish(n + i, text)
    await new Promise(setImmediate)
  }
}

async function skerry(): Promise<Served> {
  const { createServer } = await builtPackage()
  const server = await createServer({ port: 0, memory: true })
  await server.listen()
  const publish = (n: number, text: string): unknown => server.state.text.set(`feed/${n}`, text)
  const work = (work: Work): unknown => {
    const batch = work as unknown as Batch
    return inTurns(bodies(batch), batch.together === 1, publish)
  }
  return { port: Number(new URL(server.url).port), work }
}

async function naive(): Promise<Served> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await new Promise((resolve) => server.once('listening', resolve))
  const publish = (_n: number, text: string): void => {
    for (const socket of server.clients) socket.send(text)
  }
  const work = (work: Work): unknown => inTurns(bodies(work as unknown as Batch), false, publish)
  return { port: (server.address() as AddressInfo).port, work }
}

const sides: Record<string, Serve> = { skerry, naive }

/** Subscribers of one side, in this process. They only look for the last change, so as not to be what is measured. */
class Audience {
  readonly #sockets: readonly Socket[]
  #left = 0
  #done: () => void = () => undefined
  #arrived: () => void = () => undefined

  constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
    for (const socket of sockets) this.#listen(socket)
  }

  static async of(side: Side, size: number): Promise<Audience> {
    const sockets: Socket[] = []
    while (sockets.length < size) {
      const some = Math.min(50, size - sockets.length)
      sockets.push(...(await Promise.all(Array.from({ length: some }, () => subscriber(side)))))
    }
    return new Audience(sockets)
  }

  /** Resolves once everybody has seen the last change of a batch. */
  seen(arrived: () => void = () => undefined): Promise<void> {
    this.#left = this.#sockets.length
    this.#arrived = arrived
    return new Promise((resolve) => (this.#done = resolve))
  }

  leave(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #listen(socket: Socket): void {
    let end = ''
    socket.on('data', (chunk: Buffer) => {
      const seam = end + chunk.toString('latin1', 0, LAST.length)
      end = chunk.toString('latin1', Math.max(0, chunk.length - LAST.length + 1))
      if (!chunk.includes(LAST) && !seam.includes(LAST)) return
      this.#arrived()
      if (--this.#left === 0) this.#done()
    })
  }
}

/** A socket that has been upgraded to a WebSocket, and then is only read from. */
async function subscriber({ port }: Side): Promise<Socket> {
  const path = `http://127.0.0.1:${port}/feed/*`
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
  }
  const asked = request(path, { headers, agent: false }).end()
  const [, socket] = (await once(asked, 'upgrade')) as [unknown, Socket]
  return socket
}

interface Figures {
  /** Deliveries a second. */
  readonly perSecond: number
  /** CPU time of the server for each, in microseconds. */
  readonly cpuUs: number
}

/** What an audience of that size gets. */
async function deliveries(name: string, size: number, together: number): Promise<Figures> {
  const side = await startSide(import.meta.url, name)
  const audience = await Audience.of(side, size)
  const rates: number[] = []
  let before = 0
  for (let n = 0; n < BATCHES; n++) {
    // The first one warms up, and finds no entries to replace.
    if (n === 1) before = await side.cpuUs()
    const seen = audience.seen()
    const start = performance.now()
    side.order({ batch: n, count: CHANGES, bytes: CHANGE_BYTES, together })
    await seen
    if (n > 0) rates.push((CHANGES * size * 1000) / (performance.now() - start))
  }
  const cpuUs = ((await side.cpuUs()) - before) / ((BATCHES - 1) * CHANGES * size)
  audience.leave()
  await side.stop()
  return { perSecond: median(rates), cpuUs }
}

async function compareDeliveries(size: number): Promise<void> {
  const rounds: Record<'one' | 'many' | 'theirs', Figures>[] = []
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({
      one: await deliveries('skerry', size, 0),
      many: await deliveries('skerry', size, 1),
      theirs: await deliveries('naive', size, 0),
    })
  }
  for (const [writers, name] of [
    ['one writer', 'one'],
    [`${CHANGES_A_TURN} writers`, 'many'],
  ] as const) {
    for (const [unit, pick] of [
      ['/s', (figures: Figures) => figures.perSecond],
      ['µs of CPU each', (figures: Figures) => figures.cpuUs],
    ] as const) {
      printRatio(`deliveries to ${size} subscribers, ${writers}`, {
        ours: median(rounds.map((round) => pick(round[name]))),
        theirs: median(rounds.map(({ theirs }) => pick(theirs))),
        peer: 'ws.send loop',
        unit,
      })
    }
  }
}

/** Latencies of an audience, from the order of a change to its arrival; perhaps beside one that never reads. */
async function latencies(isOneStuck: boolean): Promise<number[]> {
  const side = await startSide(import.meta.url, 'skerry')
  const audience = await Audience.of(side, LATENCY_SUBSCRIBERS)
  const stuck = isOneStuck ? await subscriber(side) : undefined
  stuck?.pause()
  const times: number[] = []
  for (let n = 0; n < LATENCY_CHANGES; n++) {
    const start = performance.now()
    const seen = audience.seen(() => times.push(performance.now() - start))
    side.order({ batch: n, count: 1, bytes: LATENCY_BYTES, together: 0 })
    await seen
    await elapsed(LATENCY_PAUSE_MS)
  }
  stuck?.destroy()
  audience.leave()
  await side.stop()
  return times.slice(times.length / 6)
}

async function compareLatencies(): Promise<void> {
  const rounds: { calm: number[]; beside: number[] }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({ calm: await latencies(false), beside: await latencies(true) })
  }
  for (const [name, p] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const) {
    printRatio(`${LATENCY_SUBSCRIBERS} subscribers beside one that stopped reading, ${name}`, {
      ours: median(rounds.map(({ beside }) => percentile(beside, p))),
      theirs: median(rounds.map(({ calm }) => percentile(calm, p))),
      peer: 'without it',
      unit: 'ms',
    })
  }
}

if (!(await isSide(sides))) {
  for (const size of SUBSCRIBERS) await compareDeliveries(size)
  await compareLatencies()
}
