import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { createCluster } from '../../src/cluster.ts'
import { chaosOptions } from './processes/node.ts'
import type { Work } from './processes/node.ts'
import { RedisServer, until, whyNoRedis } from '../redis-server.ts'

/** `CHAOS_SECONDS=120 npx vitest run test/cluster/chaos` is the whole of it; CI has a share. */
const seconds = Number(process.env['CHAOS_SECONDS'] ?? 15)
const EVENTS_PER_SECOND = 1.5
const keys = Array.from({ length: 120 }, (_, index) => `feed-${index}`)

const script = fileURLToPath(new URL('./processes/node.ts', import.meta.url))
const cleanUp: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
})

/** Where all work ends: refuses an epoch below the highest it has seen of a key. */
class Sink {
  readonly doubled: string[] = []
  accepted = 0
  refused = 0
  readonly #highest = new Map<string, { epoch: number; pid: number }>()
  readonly #lately = new Map<string, number[]>()

  take({ key, epoch }: Work, pid: number): void {
    const last = this.#highest.get(key)
    if (last && epoch < last.epoch) {
      this.refused++
      return
    }
    if (last?.epoch === epoch && last.pid !== pid) this.doubled.push(`${key} with epoch ${epoch}`)
    this.accepted++
    this.#highest.set(key, { epoch, pid })
    this.#lately.set(key, [...(this.#lately.get(key) ?? []), pid])
  }

  /** Forgets who worked on what, but no epoch. */
  beginRound(): void {
    this.#lately.clear()
  }

  /** The keys that were worked on at least `times` in this round, by how many processes. */
  round(times: number): Map<string, number> {
    const worked = [...this.#lately].filter(([, pids]) => pids.length >= times)
    return new Map(worked.map(([key, pids]) => [key, new Set(pids).size]))
  }
}

/** A process that is started again whenever it is gone. */
class Supervised {
  readonly #name: string
  readonly #role: string
  readonly #url: string
  readonly #sink: Sink
  #child: ChildProcess | undefined
  ready = false

  constructor(role: string, name: string, url: string, sink: Sink) {
    this.#role = role
    this.#name = name
    this.#url = url
    this.#sink = sink
    this.start()
  }

  start(): void {
    const child = fork(script, [this.#role, this.#name, this.#url], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    child.on('message', (message: Work | 'ready') => {
      if (message === 'ready') this.ready = true
      else this.#sink.take(message, child.pid!)
    })
    this.#child = child
  }

  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.#child?.once('exit', resolve))
    this.#child?.kill('SIGCONT')
    this.#child?.kill('SIGKILL')
    this.ready = false
    await gone
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name)
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const between = (low: number, high: number) => low + Math.random() * (high - low)
const pick = <T>(items: readonly T[]): T => items[Math.floor(Math.random() * items.length)]!

test(
  'chaos: workers, monitors and Redis are killed and stopped; no key is lost or doubled',
  { timeout: seconds * 1_000 + 150_000 },
  async (context) => {
    const why = whyNoRedis()
    if (why) return context.skip(why)
    const redis = await RedisServer.start()
    cleanUp.push(() => redis.stop())
    const sink = new Sink()
    const monitors = ['m1', 'm2'].map((id) => new Supervised('monitor', id, redis.url, sink))
    const workers = ['w1', 'w2', 'w3', 'w4'].map(
      (id) => new Supervised('worker', id, redis.url, sink),
    )
    const all = [...monitors, ...workers]
    cleanUp.push(() => Promise.all(all.map((one) => one.kill())))
    const observer = createCluster({ ...chaosOptions, monitor: false, registry: redis.url })
    cleanUp.push(() => observer.destroy())
    await observer.start()
    expect(await observer.distribute(keys)).toBe(keys.length)
    await until(() => sink.round(1).size === keys.length, 'every key to be worked on')

    const counts = await trouble(redis, monitors, workers)
    for (const one of all) one.signal('SIGCONT')
    await until(() => all.every(({ ready }) => ready), 'everybody to be back')
    await settled(sink)

    const found = await Promise.all(observer.members().map(({ id }) => observer.getNodeKeys(id)))
    expect(found.flat().sort()).toEqual([...keys].sort())
    expect(sink.doubled).toEqual([])
    const { accepted, refused } = sink
    console.log(
      `${seconds} s: ${JSON.stringify(counts)}, ${accepted} pieces of work, ${refused} refused`,
    )
  },
)

/** One event after the other, until the time is up. */
async function trouble(
  redis: RedisServer,
  monitors: readonly Supervised[],
  workers: readonly Supervised[],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const pending: Promise<void>[] = []
  const killed = async (one: Supervised): Promise<void> => {
    await one.kill()
    await pause(between(100, 3_000))
    one.start()
  }
  const stopped = async (one: Supervised | RedisServer, longestMs: number): Promise<void> => {
    one.signal('SIGSTOP')
    await pause(between(200, longestMs))
    one.signal('SIGCONT')
  }
  const causes: Record<string, () => Promise<void>> = {
    'workers killed': () => killed(pick(workers)),
    'workers stopped': () => stopped(pick(workers), 4_000),
    'monitors killed': () => killed(pick(monitors)),
    'monitors stopped': () => stopped(pick(monitors), 4_000),
    'Redis stopped': () => stopped(redis, 1_500),
    'Redis killed': async () => {
      await redis.kill()
      await pause(between(50, 1_500))
      await redis.start()
    },
  }
  /** What is down is left alone until it is up again. */
  const busy = new Map<string, Promise<void>>()
  const deadline = Date.now() + seconds * 1_000
  while (Date.now() < deadline) {
    const name = pick(Object.keys(causes))
    if (!busy.has(name)) {
      counts[name] = (counts[name] ?? 0) + 1
      const done = causes[name]!().finally(() => busy.delete(name))
      busy.set(name, done)
      pending.push(done)
    }
    await pause(1_000 / EVENTS_PER_SECOND)
  }
  await Promise.all(pending)
  return counts
}

/** Every key is worked on again and again, and by one process only. */
async function settled(sink: Sink): Promise<void> {
  await until(async () => {
    sink.beginRound()
    await until(() => sink.round(3).size === keys.length, 'every key to be worked on')
    return [...sink.round(1).values()].every((processes) => processes === 1)
  }, 'every key to have one worker')
}
