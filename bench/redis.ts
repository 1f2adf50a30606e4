/**
 * How many durable writes a second does a store on Redis take, from one server and from two, with 1 writer and
 * with 64 each? Beside it, in the same run and on the same Redis (`appendfsync always`): plain SETs of the same
 * texts, as many at a time, over one connection a process. Rounds interleave. The CPU time that Redis itself
 * spends on a write tells how far more servers could go, for that one process is what they share.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { machineEnv } from '../src/server/env.ts'
import { RedisStore } from '../src/store/redis.ts'
import { resolveRedisOptions } from '../src/store/redis/options.ts'
import { median, printRatio } from './lib/figures.ts'
import { startRedis } from './lib/redis-watch.ts'

const ROUNDS = 5
const WARMUP_MS = 500
const MEASURE_MS = 1500
const WRITING_SECONDS = (WARMUP_MS + MEASURE_MS) / 1000
/** How many paths each writer goes round. */
const PATHS = 1000

/** Takes one write; the promise resolves once Redis has it on its disk. */
type Target = (path: string, data: string) => Promise<unknown>

const targets: Record<string, (url: string, name: string) => Promise<Target>> = {
  set: (url) => {
    const client = new Redis(url, { enableAutoPipelining: true })
    return Promise.resolve((path, data) => client.set(path, data))
  },
  skerry: async (url, name) => {
    const store = await RedisStore.open(resolveRedisOptions(url, { name }), machineEnv)
    store.watch(() => undefined)
    return (path, data) => store.write([{ path, decide: () => data }])
  },
}

interface Run {
  readonly target: string
  readonly writers: number
  readonly processes: number
}

/** One process: writes for a while, and prints how many it did a second. */
async function writeOn(target: Target, writers: number): Promise<number> {
  const padding = randomBytes(1 << 16).toString('base64')
  const own = randomBytes(4).toString('hex')
  let done = 0
  let over = false
  const writer = async (_: unknown, writing: number): Promise<void> => {
    for (let i = 0; !over; i++) {
      const at = (i * 211) % (padding.length - 200)
      await target(`users/${own}-${writing}-${i % PATHS}`, `"${padding.slice(at, at + 198)}"`)
      done++
    }
  }
  const writing = Promise.all(Array.from({ length: writers }, writer))
  await elapsed(WARMUP_MS)
  const [start, before] = [performance.now(), done]
  await elapsed(MEASURE_MS)
  const perSecond = ((done - before) / (performance.now() - start)) * 1000
  over = true
  await writing
  return perSecond
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

interface Figures {
  readonly perSecond: number
  /** CPU time of Redis for one write, in microseconds; its warm-up included on both sides. */
  readonly redisUs: number
}

async function measure(client: Redis, url: string, run: Run): Promise<Figures> {
  await client.flushall()
  const file = fileURLToPath(import.meta.url)
  const given = ['--target', run.target, url, `${run.writers}`]
  const args = [...process.execArgv, file, ...given]
  const before = await cpuUs(client)
  const processes = Array.from({ length: run.processes }, () =>
    promisify(execFile)(process.execPath, args, { encoding: 'utf8' }),
  )
  const rates = (await Promise.all(processes)).map(({ stdout }) => JSON.parse(stdout) as number)
  const perSecond = rates.reduce((sum, rate) => sum + rate, 0)
  const usedUs = (await cpuUs(client)) - before
  return { perSecond, redisUs: usedUs / (perSecond * WRITING_SECONDS) }
}

async function cpuUs(client: Redis): Promise<number> {
  const info = await client.info('cpu')
  const used = (name: string): number => Number(new RegExp(`${name}:([0-9.]+)`).exec(info)![1])
  return (used('used_cpu_user') + used('used_cpu_sys')) * 1e6
}

async function compare(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'skerry-bench-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const redis = await startRedis({ directory })
  for (const [writers, processes] of [
    [1, 1],
    [64, 1],
    [64, 2],
  ] as const) {
    const rounds: Record<string, Figures[]> = { set: [], skerry: [] }
    for (let round = 0; round < ROUNDS; round++) {
      for (const [target, figures] of Object.entries(rounds)) {
        figures.push(await measure(redis.client, redis.url, { target, writers, processes }))
      }
    }
    const of = (target: string, what: keyof Figures): number =>
      median(rounds[target]!.map((each) => each[what]))
    printRatio(`${processes} server(s) of ${writers} writer(s)`, {
      ours: of('skerry', 'perSecond'),
      theirs: of('set', 'perSecond'),
      peer: 'plain SET',
      unit: 'writes/s',
    })
    printRatio('  CPU of Redis for a write', {
      ours: of('skerry', 'redisUs'),
      theirs: of('set', 'redisUs'),
      peer: 'plain SET',
      unit: 'µs',
    })
  }
  redis.stop()
}

const [flag, name, url, writers] = process.argv.slice(2)
if (flag === '--target') {
  const target = await targets[name!]!(url!, 'bench')
  process.stdout.write(JSON.stringify(await writeOn(target, Number(writers))))
  process.exit()
} else {
  await compare()
}
