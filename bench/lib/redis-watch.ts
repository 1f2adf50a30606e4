import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { Redis } from 'ioredis'

/** A Redis to measure on. */
export interface MeasuredRedis {
  readonly url: string
  readonly client: Redis
  readonly pid: number | undefined
  stop(): void
}

/** Before a command: nothing else runs while Redis has something to do (Linux, as root). */
const UNINTERRUPTED = ['chrt', '-f', '10'] as const

const SYNCED = ['--appendonly', 'yes', '--appendfsync', 'always'] as const

/** Whether a Redis can be run that no other process interrupts. */
export function canRunUninterrupted(): boolean {
  const [command, ...given] = UNINTERRUPTED
  return spawnSync(command, [...given, 'true'], { stdio: 'ignore' }).status === 0
}

interface RedisKind {
  readonly uninterrupted?: boolean
  /** Every write is synced to a log there; nothing is kept if it is left out. */
  readonly directory?: string
}

/** A Redis of our own, empty, on a free port. */
export async function startRedis(kind: RedisKind = {}): Promise<MeasuredRedis> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  const before = kind.uninterrupted ? UNINTERRUPTED : []
  const log = kind.directory === undefined ? [] : ['--dir', kind.directory, ...SYNCED]
  const [command, ...given] = [...before, 'redis-server', '--port', `${port}`, '--save', '', ...log]
  const child = spawn(command, given, { stdio: 'ignore' })
  process.on('exit', () => child.kill('SIGKILL'))
  const { client, url } = await connectRedis(`redis://127.0.0.1:${port}`)
  return { url, client, pid: child.pid, stop: () => stop(client, () => child.kill('SIGKILL')) }
}

/** The Redis at an address, emptied. */
export async function connectRedis(url: string): Promise<MeasuredRedis> {
  const client = new Redis(url, { retryStrategy: () => 50, maxRetriesPerRequest: null })
  // Not up yet: the client tries again.
  client.on('error', () => undefined)
  await client.flushall()
  await client.config('SET', 'slowlog-log-slower-than', '100')
  await client.config('SET', 'slowlog-max-len', '10000')
  return { url, client, pid: undefined, stop: () => stop(client, () => undefined) }
}

function stop(client: Redis, end: () => unknown): void {
  client.disconnect()
  end()
}

/** What a Redis was busy with during one step of a benchmark, by its own books. */
export interface Busy {
  readonly tookMs: number
  /** The longest command, by Redis's slow log: it includes time in which Redis was not run. */
  readonly longestMs: number
  readonly longest: string
  /** How long Redis stood ready to run while the machine ran something else; if that is known. */
  readonly waitedMs: number | undefined
}

type SlowEntry = [id: number, at: number, us: number, words: string[]]

/** Runs one step and reads from Redis how it fared. */
export async function watched(redis: MeasuredRedis, step: () => Promise<unknown>): Promise<Busy> {
  const { client, pid } = redis
  await client.slowlog('RESET')
  const before = runDelayMs(pid)
  const began = performance.now()
  await step()
  const tookMs = performance.now() - began
  const after = runDelayMs(pid)
  const slow = ((await client.slowlog('GET', 10_000)) as SlowEntry[]).filter(
    // Reading that log, and setting it back, are commands as well.
    ([, , , [word = '']]) => word.toLowerCase() !== 'slowlog',
  )
  const [longest] = slow.sort(([, , a], [, , b]) => b - a)
  return {
    tookMs,
    longestMs: (longest?.[2] ?? 0) / 1_000,
    longest: longest
      ? `${longest[3][0]!.toLowerCase()} of ${longest[3].length} words`
      : 'none over 0.1 ms',
    waitedMs: before === undefined || after === undefined ? undefined : after - before,
  }
}

/** Linux counts how long a process waited for a processor. */
function runDelayMs(pid: number | undefined): number | undefined {
  if (pid === undefined) return undefined
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
  } catch {
    // Another system: the books of Redis have to do.
    return undefined
  }
}
