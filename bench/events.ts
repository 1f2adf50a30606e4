import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import type { Coordinator, PeerTransport } from '../src/events.ts'
import { median, percentile } from './lib/figures.ts'
import { builtEvents } from './lib/side.ts'

// npm run bench -- events [memory | disk]
//
// What does the coordinator cost? put/s at RF 3 QUORUM with peers in memory that answer at once,
// beside a bare fan-out of promises over the same peers; then over loopback HTTP with a disk for
// each node, every acknowledgement synced on a quorum of them; then a scan of the cluster.
//
// The coordinator is measured as it is built. `tsx` names every closure that is kept in a variable,
// each time it is made; the code beside it here keeps none there on its hot path, so neither side
// pays for that.

const {
  createCoordinator,
  eventRoutes,
  generateKey,
  HttpTransport,
  openEventLog,
  openLevelEngine,
} = await builtEvents()

/** Short ones: whatever else the machine does then weighs on few, and the median forgets those. */
const ROUNDS = 60
const WARM_UP_ROUNDS = 10
const IN_MEMORY_PUTS = 10_000
const DISK_PUTS = 30_000
const OUTSTANDING = 256
const EVENT = { type: 'reading', sensor: 'roof-7', celsius: 21.25, at: '2026-01-01T00:00:00Z' }

interface Rate {
  readonly perSecond: number
  /** CPU time of one operation, in microseconds: what does not change while others load the machine. */
  readonly cpuUs: number
}

/** Runs `count` operations, so many at a time. */
async function rate(count: number, operation: () => Promise<unknown>): Promise<Rate> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  let left = count
  const worker = async () => {
    while (left-- > 0) await operation()
  }
  await Promise.all(Array.from({ length: OUTSTANDING }, worker))
  const perSecond = count / ((performance.now() - start) / 1_000)
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond, cpuUs: (user + system) / count }
}

/** Three stores that answer at once; the first one is the local one. */
function memoryStores() {
  return [0, 1, 2].map(() => {
    const events = new Map<string, string>()
    return { events, put: async (key: string, text: string) => void events.set(key, text) }
  })
}

type MemoryStore = ReturnType<typeof memoryStores>[number]

/** The least there is to do: print the event once, send it to all, wait for two. */
function bareFanOut() {
  const stores = memoryStores()
  return (key: string, event: unknown) => {
    const text = JSON.stringify(event)
    return new Promise<void>((resolve, reject) => {
      let acks = 0
      sendToAll(stores, [key, text], () => void (++acks === 2 && resolve()), reject)
    })
  }
}

function sendToAll(
  stores: readonly MemoryStore[],
  [key, text]: [string, string],
  ack: () => void,
  fail: (error: unknown) => void,
) {
  for (const store of stores) store.put(key, text).then(ack, fail)
}

function memoryCoordinator(): Coordinator {
  const [local, ...peers] = memoryStores() as [MemoryStore, MemoryStore, MemoryStore]
  const byId = new Map(peers.map((store, index) => [`p${index}`, store]))
  const notRead = () => Promise.reject(new Error('only written to'))
  const transport: PeerTransport = {
    put: (peer, { key, text }) => byId.get(peer.id)!.put(key, text),
    get: notRead,
    range: notRead,
  }
  const store = {
    checkReplica: () => {},
    writeReplica: (key: string, text: string) => local.put(key, text),
    readReplica: notRead,
    rangeReplicas: notRead,
  }
  const coordinator = createCoordinator(store, { replicationFactor: 3, transport })
  for (const id of byId.keys()) coordinator.addPeer({ id })
  return coordinator
}

async function ourRound(): Promise<Rate> {
  const coordinator = memoryCoordinator()
  const measured = await rate(IN_MEMORY_PUTS, () => coordinator.put(generateKey(), EVENT))
  await coordinator.close()
  return measured
}

function bareRound(): Promise<Rate> {
  const put = bareFanOut()
  return rate(IN_MEMORY_PUTS, () => put(generateKey(), EVENT))
}

/** Rounds of both in turn, and in turn the one or the other first: each pays for the other's garbage. */
async function inMemory(): Promise<void> {
  const rounds: { ours: Rate; bare: Rate }[] = []
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    if (round % 2 === 0) rounds.push({ ours: await ourRound(), bare: await bareRound() })
    else {
      const bare = await bareRound()
      rounds.push({ bare, ours: await ourRound() })
    }
  }
  const measured = rounds.slice(WARM_UP_ROUNDS)
  report('put/s, 3 replicas in memory, QUORUM', median(measured.map(({ ours }) => ours.perSecond)))
  report('the same, bare fan-out of promises', median(measured.map(({ bare }) => bare.perSecond)))
  const ratios = measured.map(({ ours, bare }) => ours.perSecond / bare.perSecond)
  const cpu = median(measured.map(({ ours, bare }) => bare.cpuUs / ours.cpuUs))
  const [ratio, low, high] = [0.5, 0.25, 0.75].map((p) => percentile(ratios, p).toFixed(2))
  console.log(`ratio ${ratio} (at least 0.5 is wanted), half of the rounds from ${low} to ${high}`)
  console.log(`ratio of CPU time a put: ${cpu.toFixed(2)}`)
}

async function startNode(id: string, dir: string) {
  const engine = await openLevelEngine(join(dir, id))
  const hints = await openLevelEngine(join(dir, `${id}-hints`))
  const log = await openEventLog(engine)
  const transport = new HttpTransport()
  const coordinator = createCoordinator(log, {
    ...{ id, replicationFactor: 3, transport, engine: hints, pageRows: 2_000 },
  })
  const app = Fastify()
  eventRoutes(app, { coordinator, log, generateKey })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const stop = async () => {
    await coordinator.close()
    log.close()
    transport.close()
    await app.close()
    await Promise.all([engine.close(), hints.close()])
  }
  return { id, url, coordinator, stop }
}

async function overLoopback(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'skerry-bench-'))
  const nodes = await Promise.all(['n0', 'n1', 'n2'].map((id) => startNode(id, dir)))
  for (const node of nodes) {
    for (const { id, url } of nodes) if (id !== node.id) node.coordinator.addPeer({ id, url })
  }
  const { coordinator } = nodes[0]!
  const puts: number[] = []
  for (let round = 0; round < 3; round++) {
    const measured = await rate(DISK_PUTS, () => coordinator.put(generateKey(), EVENT))
    puts.push(measured.perSecond)
  }
  await coordinator.settled()
  report('put/s, 3 nodes over loopback HTTP, disks synced, QUORUM', median(puts))
  const start = performance.now()
  let events = 0
  for await (const batch of coordinator.scanTexts()) events += batch.length
  report(
    `scan events/s, merged from 3 nodes (${events} events)`,
    events / ((performance.now() - start) / 1_000),
  )
  for (const { stop } of nodes) await stop()
  await rm(dir, { recursive: true })
}

function report(what: string, perSecond: number): void {
  console.log(`${Math.round(perSecond).toLocaleString('en').padStart(10)}  ${what}`)
}

const only = process.argv[3]
if (only !== 'disk') await inMemory()
if (only !== 'memory') await overLoopback()
