/**
 * What does it cost to distribute a million keys over a hundred members, and to change one member?
 * On a real Redis (`redis-server` on PATH, or REDIS_URL), beside the same number of fields in
 * batched HSETs in the same run. The server's slow log shows what blocked it.
 */
import { spawn } from 'node:child_process'
import { Redis } from 'ioredis'
import { createCluster } from '../src/cluster.ts'

const KEYS = 1_000_000
const MEMBERS = 100
const PORT = 7_396
const BATCH = 1_000
const PIPELINE = 20

const given = process.env['REDIS_URL']
const server = given
  ? undefined
  : spawn('redis-server', ['--port', `${PORT}`, '--save', ''], { stdio: 'ignore' })
const url = given ?? `redis://127.0.0.1:${PORT}`
const client = new Redis(url, { retryStrategy: () => 50 })
client.on('error', () => {
  // Not up yet: the client tries again.
})
await client.flushall()
await client.config('SET', 'slowlog-log-slower-than', '1000')

const keys = Array.from({ length: KEYS }, (_, index) => `https://feeds.example/${index}.xml`)

async function timed<T>(what: string, step: () => Promise<T>): Promise<number> {
  await client.slowlog('RESET')
  const began = performance.now()
  await step()
  const tookMs = performance.now() - began
  const slow = (await client.slowlog('GET', 128)) as [number, number, number, string[]][]
  const [longest] = slow.sort(([, , a], [, , b]) => b - a)
  const blocked = longest
    ? `longest command ${(longest[2] / 1_000).toFixed(1)} ms (${longest[3][0]}, ${longest[3].length} words)`
    : 'none over 1 ms'
  console.log(`${what.padEnd(44)} ${tookMs.toFixed(0).padStart(6)} ms   ${blocked}`)
  return tookMs
}

const baseMs = await timed('1M fields by HSET of 1,000, pipelined', async () => {
  for (let at = 0; at < KEYS; at += BATCH * PIPELINE) {
    const pipeline = client.pipeline()
    for (let from = at; from < Math.min(KEYS, at + BATCH * PIPELINE); from += BATCH) {
      pipeline.hset('base', ...keys.slice(from, from + BATCH).flatMap((key) => [key, 'node-1']))
    }
    await pipeline.exec()
  }
})
await client.unlink('base')

const cluster = createCluster({ registry: url, name: 'bench', heartbeatIntervalMs: 3_600_000 })
await cluster.start()
await timed(`${MEMBERS} members join, one by one`, async () => {
  for (let index = 1; index <= MEMBERS; index++) {
    await cluster.join({ id: `node-${index}`, address: '127.0.0.1', port: index })
  }
})
const oursMs = await timed('distribute 1M keys', () => cluster.distribute(keys))
const counts: number[] = []
await timed('getNodeKeys of all members', async () => {
  for (const { id } of cluster.members()) counts.push((await cluster.getNodeKeys(id)).length)
})
const changeMs = [
  await timed('one member joins', () => cluster.join({ id: 'new', address: '127.0.0.1', port: 1 })),
  await timed('one member leaves', () => cluster.leave('node-1')),
]
/** How many commands the server has answered, this question left out. */
async function commands(): Promise<number> {
  const [, count] = /total_commands_processed:(\d+)/.exec(await client.info('stats'))!
  return Number(count)
}

const before = await commands()
const began = performance.now()
for (const key of keys) cluster.getKeyNode(key)
const lookupNs = ((performance.now() - began) * 1e6) / KEYS
const asked = (await commands()) - before - 1

const sum = counts.reduce((total, count) => total + count, 0)
console.log(
  `Σ getNodeKeys = ${sum}, max/mean ${((Math.max(...counts) * MEMBERS) / sum).toFixed(3)}`,
)
console.log(`distribute: ${(oursMs / baseMs).toFixed(2)} × the batched HSETs`)
const share = oursMs / MEMBERS
console.log(
  `a change of one member: ${changeMs.map((ms) => ms.toFixed(0)).join(' and ')} ms; ` +
    `its share of the distribution is ${share.toFixed(0)} ms`,
)
console.log(
  `getKeyNode: ${lookupNs.toFixed(0)} ns; Redis answered ${asked} commands during ${KEYS} lookups`,
)
await cluster.destroy()
client.disconnect()
server?.kill()
