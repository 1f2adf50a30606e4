import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One of the servers that a benchmark compares, in a process of its own. */
export interface Side {
  readonly port: number
  /** CPU time that all its threads have used, in microseconds. */
  cpuUs(): Promise<number>
  /** Has it do a piece of work; nobody waits for it. */
  order(work: Work): void
  stop(): Promise<void>
}

/** A piece of work that a side knows. */
export type Work = Readonly<Record<string, number | string>>

/** A side that serves. */
export interface Served {
  readonly port: number
  readonly work?: (work: Work) => unknown
}

/** What a side is made of: it serves on a free port, with a directory of its own, and what {@link startSide} gave. */
export type Serve = (dir: string, given: readonly string[]) => Promise<Served>

const FLAG = '--side'
const CPU = 'cpu'

/** In the process that {@link startSide} made: serves the side that it was made for. True if it is one. */
export async function isSide(sides: Record<string, Serve>): Promise<boolean> {
  const [flag, name, dir, ...given] = process.argv.slice(2)
  if (flag !== FLAG) return false
  const { port, work } = await sides[name!]!(dir!, given)
  process.on('message', (message) => {
    if (message !== CPU) return void work!(message as Work)
    const { user, system } = process.cpuUsage()
    process.send!(user + system)
  })
  process.send!(port)
  return true
}

/** Starts a side of the benchmark in `file`, which asks {@link isSide} first of all. */
export async function startSide(file: string, name: string, ...given: string[]): Promise<Side> {
  const dir = mkdtempSync(join(tmpdir(), 'skerry-bench-'))
  const child = fork(fileURLToPath(file), [FLAG, name, dir, ...given])
  const [port] = (await firstOf(child)) as [number]
  return {
    port,
    cpuUs: async () => {
      child.send(CPU)
      const [used] = (await firstOf(child)) as [number]
      return used
    },
    order: (work) => void child.send(work),
    stop: async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
      rmSync(dir, { recursive: true })
    },
  }
}

/** The package as it is built: what `tsx` makes of the sources is slower. */
export async function builtPackage(): Promise<typeof import('../../src/index.ts')> {
  return (await built('index')) as typeof import('../../src/index.ts')
}

/** The coordinator of events, as it is built. */
export async function builtEvents(): Promise<typeof import('../../src/events.ts')> {
  return (await built('events')) as typeof import('../../src/events.ts')
}

async function built(door: string): Promise<unknown> {
  const url = new URL(`../../dist/src/${door}.js`, import.meta.url)
  if (!existsSync(url)) throw new Error('build it first: npm run build')
  return import(url.href)
}

async function firstOf(child: ChildProcess): Promise<unknown[]> {
  const enough = new AbortController()
  const { signal } = enough
  const exited = once(child, 'exit', { signal }).then(([code]): never => {
    throw new Error(`a side of the benchmark ended with ${code}`)
  })
  try {
    const message: Promise<unknown[]> = once(child, 'message', { signal })
    return await Promise.race([message, exited])
  } finally {
    enough.abort()
  }
}
