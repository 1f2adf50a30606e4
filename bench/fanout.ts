/**
 * How many deliveries a second does a node make to its subscribers, and what does one that stops reading cost the
 * others? A delivery is one change seen by one subscriber. Beside it, in the same run, the naive loop: each change
 * goes out by `ws.send` to each socket. Both keep nothing on a disk, have a process of their own, and take turns,
 * batch by batch. It takes about a minute; each stage ends after its time in any case, whatever the machine does.
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
/** The most rounds of a stage, and after how long no other one begins. */
const ROUNDS = 9
const STAGE_MS = 10_000
/** Changes of a batch, which all subscribers have seen before the next one begins. */
const CHANGES = 480
/** A batch of a large audience has fewer changes. */
const BATCH_DELIVERIES = 48_000
const CHANGE_BYTES = 100
/** Changes that are made in one turn of the event loop. */
const CHANGES_A_TURN = 16

const LATENCY_SUBSCRIBERS = 50
const LATENCY_CHANGES = 200
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

/** One side with an audience of its own. */
class Theatre {
  readonly #side: Side
  readonly #audience: Audience
  readonly #size: number
  #batch = 0

  constructor(side: Side, audience: Audience, size: number) {
    this.#side = side
    this.#audience = audience
    this.#size = size
  }

  static async of(name: string, size: number): Promise<Theatre> {
    const side = await startSide(import.meta.url, name)
    return new Theatre(side, await Audience.of(side, size), size)
  }

  /** One batch. */
  async deliveries(together: number): Promise<Figures> {
    const count = Math.min(CHANGES, Math.ceil(BATCH_DELIVERIES / this.#size))
    const before = await this.#side.cpuUs()
    const seen = this.#audience.seen()
    const start = performance.now()
    this.#side.order({ batch: this.#batch++, count, bytes: CHANGE_BYTES, together })
    await seen
    const perSecond = (count * this.#size * 1000) / (performance.now() - start)
    return { perSecond, cpuUs: ((await this.#side.cpuUs()) - before) / (count * this.#size) }
  }

  /** From the order of a change to its arrival, for everybody; perhaps beside one that never reads. */
  async latencies(isOneStuck: boolean): Promise<number[]> {
    const stuck = isOneStuck ? await subscriber(this.#side) : undefined
    stuck?.pause()
    const times: number[] = []
    for (let n = 0; n < LATENCY_CHANGES; n++) {
      const start = performance.now()
      const seen = this.#audience.seen(() => times.push(performance.now() - start))
      this.#side.order({ batch: this.#batch++, count: 1, bytes: LATENCY_BYTES, together: 0 })
      await seen
      await elapsed(LATENCY_PAUSE_MS)
    }
    stuck?.destroy()
    return times
  }

  async close(): Promise<void> {
    this.#audience.leave()
    await this.#side.stop()
  }
}

/** Rounds that take turns, the first of which only warms up and finds no entries to replace. */
async function rounds<T>(round: () => Promise<T>): Promise<T[]> {
  await round()
  const all: T[] = []
  const deadline = performance.now() + STAGE_MS
  while (all.length === 0 || (all.length < ROUNDS && performance.now() < deadline)) {
    all.push(await round())
  }
  return all
}

async function compareDeliveries(size: number): Promise<void> {
  const [ours, theirs] = [await Theatre.of('skerry', size), await Theatre.of('naive', size)]
  const all = await rounds(async () => ({
    one: await ours.deliveries(0),
    many: await ours.deliveries(1),
    theirs: await theirs.deliveries(0),
  }))
  await ours.close()
  await theirs.close()
  for (const [writers, name] of [
    ['one writer', 'one'],
    [`${CHANGES_A_TURN} writers`, 'many'],
  ] as const) {
    for (const [unit, pick] of [
      ['/s', (figures: Figures) => figures.perSecond],
      ['µs of CPU each', (figures: Figures) => figures.cpuUs],
    ] as const) {
      printRatio(`deliveries to ${size} subscribers, ${writers}`, {
        ours: median(all.map((round) => pick(round[name]))),
        theirs: median(all.map(({ theirs }) => pick(theirs))),
        peer: 'ws.send loop',
        unit,
      })
    }
  }
}

async function compareLatencies(): Promise<void> {
  const theatre = await Theatre.of('skerry', LATENCY_SUBSCRIBERS)
  const all = await rounds(async () => ({
    calm: await theatre.latencies(false),
    beside: await theatre.latencies(true),
  }))
  await theatre.close()
  for (const [name, p] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const) {
    printRatio(`${LATENCY_SUBSCRIBERS} subscribers beside one that stopped reading, ${name}`, {
      ours: median(all.map(({ beside }) => percentile(beside, p))),
      theirs: median(all.map(({ calm }) => percentile(calm, p))),
      peer: 'without it',
      unit: 'ms',
    })
  }
}

if (!(await isSide(sides))) {
  await compareLatencies()
  for (const size of SUBSCRIBERS) await compareDeliveries(size)
}
