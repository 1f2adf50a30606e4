/**
 * What does it cost to distribute a million keys over a hundred members, and to change one member?
 * On a real Redis (`redis-server` on PATH, or REDIS_URL), beside the same number of fields in
 * batched HSETs in the same run.
 *
 * What blocks the server is read from its slow log. That log counts wall time: a Redis that the
 * machine didn't run for 10 ms shows an innocent command of 10 ms. So the run shows two more things:
 * the pause of the machine, by one SADD whose work is the same each time (its longest is the pause);
 * and, where this may be done (Linux, as root), all steps again on a Redis that nothing interrupts.
 * What is still long there is long by its own work.
 */
import { createCluster } from '../src/cluster.ts'
import { canRunUninterrupted, connectRedis, startRedis, watched } from './lib/redis-watch.ts'
import type { Busy, MeasuredRedis } from './lib/redis-watch.ts'

const KEYS = 1_000_000
const MEMBERS = 100
const BATCH = 1_000
const PIPELINE = 20
/** No command of ours may block the server for longer. */
const LIMIT_MS = 5

const keys = Array.from({ length: KEYS }, (_, index) => `https://feeds.example/${index}.xml`)

async function timed(
  redis: MeasuredRedis,
  what: string,
  step: () => Promise<unknown>,
): Promise<Busy> {
  const busy = await watched(redis, step)
  const { tookMs, longestMs, longest, waitedMs } = busy
  const waited = waitedMs === undefined ? '' : `; waited ${waitedMs.toFixed(0)} ms to be run`
  const took = `${tookMs.toFixed(0).padStart(6)} ms`
  const slowest = `longest command ${longestMs.toFixed(1).padStart(5)} ms (${longest})${waited}`
  console.log(`${what.padEnd(40)} ${took}   ${slowest}`)
  return busy
}

/** The yardstick. */
async function hashes(redis: MeasuredRedis): Promise<Busy> {
  const { client } = redis
  const busy = await timed(redis, '1M fields by HSET of 1,000, pipelined', async () => {
    for (let at = 0; at < KEYS; at += BATCH * PIPELINE) {
      const pipeline = client.pipeline()
      for (let from = at; from < Math.min(KEYS, at + BATCH * PIPELINE); from += BATCH) {
        pipeline.hset('base', ...keys.slice(from, from + BATCH).flatMap((key) => [key, 'node-1']))
      }
      await pipeline.exec()
    }
  })
  await client.unlink('base')
  return busy
}

/** The same work each time, for so long: what its longest took beyond the others is the machine's. */
async function pauseMs(redis: MeasuredRedis, forMs: number): Promise<number> {
  const words = keys.slice(0, 26)
  const until = performance.now() + forMs
  const busy = await timed(redis, 'the same SADD of 28 words, as long', async () => {
    while (performance.now() < until) {
      const pipeline = redis.client.pipeline()
      for (let at = 0; at < BATCH; at++) pipeline.sadd('pause', ...words)
      await pipeline.exec()
    }
  })
  await redis.client.unlink('pause')
  return busy.longestMs
}

interface Cost {
  readonly distributeMs: number
  readonly changesMs: readonly number[]
  /** The longest command of all steps. */
  readonly longestMs: number
}

async function distribution(redis: MeasuredRedis): Promise<Cost> {
  const options = { registry: redis.url, name: 'bench', heartbeatIntervalMs: 3_600_000 }
  const cluster = createCluster(options)
  await cluster.start()
  const steps: Busy[] = []
  const step = async (what: string, run: () => Promise<unknown>): Promise<number> => {
    steps.push(await timed(redis, what, run))
    return steps.at(-1)!.tookMs
  }
  await step(`${MEMBERS} members join, one by one`, async () => {
    for (let index = 1; index <= MEMBERS; index++) {
      await cluster.join({ id: `node-${index}`, address: '127.0.0.1', port: index })
    }
  })
  const distributeMs = await step('distribute 1M keys', () => cluster.distribute(keys))
  const counts: number[] = []
  await step('getNodeKeys of all members', async () => {
    for (const { id } of cluster.members()) counts.push((await cluster.getNodeKeys(id)).length)
  })
  const newcomer = { id: 'new', address: '127.0.0.1', port: 1 }
  const changesMs = [
    await step('one member joins', () => cluster.join(newcomer)),
    await step('one member leaves', () => cluster.leave('node-1')),
  ]
  const sum = counts.reduce((total, count) => total + count, 0)
  const ratio = (Math.max(...counts) * MEMBERS) / sum
  console.log(`Σ getNodeKeys = ${sum}, max/mean ${ratio.toFixed(3)}`)
  const [lookupNs, asked] = await lookups(redis, (key) => cluster.getKeyNode(key))
  console.log(
    `getKeyNode: ${lookupNs.toFixed(0)} ns; Redis answered ${asked} commands during ${KEYS} lookups`,
  )
  await cluster.destroy()
  return { distributeMs, changesMs, longestMs: Math.max(...steps.map((busy) => busy.longestMs)) }
}

/** Nanoseconds of one lookup, and how many commands Redis answered during all of them. */
async function lookups(
  { client }: MeasuredRedis,
  look: (key: string) => unknown,
): Promise<[ns: number, commands: number]> {
  const commands = async (): Promise<number> =>
    Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))![1])
  const before = await commands()
  const began = performance.now()
  for (const key of keys) look(key)
  const ns = ((performance.now() - began) * 1e6) / KEYS
  return [ns, (await commands()) - before - 1]
}

const given = process.env['REDIS_URL']
const redis = given ? await connectRedis(given) : await startRedis()
const base = await hashes(redis)
const cost = await distribution(redis)
const pause = await pauseMs(redis, cost.distributeMs)
redis.stop()

console.log(`distribute: ${(cost.distributeMs / base.tookMs).toFixed(2)} × the batched HSETs`)
console.log(
  `a change of one member: ${cost.changesMs.map((ms) => ms.toFixed(0)).join(' and ')} ms; ` +
    `its share of the distribution is ${(cost.distributeMs / MEMBERS).toFixed(0)} ms`,
)
console.log(
  `longest command ${cost.longestMs.toFixed(1)} ms, limit ${LIMIT_MS} ms; ` +
    `the machine's own pause in this run was ${pause.toFixed(1)} ms`,
)
if (given || !canRunUninterrupted()) {
  console.log('uninterrupted: not measured; it takes Linux, root and a Redis of our own')
} else {
  console.log('\nthe same on a Redis that nothing interrupts:')
  const own = await startRedis({ uninterrupted: true })
  const { longestMs } = await distribution(own)
  own.stop()
  const verdict = longestMs <= LIMIT_MS ? 'below' : 'ABOVE'
  console.log(
    `longest command by its own work ${longestMs.toFixed(1)} ms: ${verdict} the limit of ${LIMIT_MS} ms`,
  )
}
