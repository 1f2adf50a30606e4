/**
 * How many durable writes a second does the store on LevelDB take, with 1 writer and with 64? Beside
 * it, in the same run: a raw log that appends and calls fdatasync for each group (the limit of the
 * disk), and bare LevelDB with the same grouping. Rounds interleave, one process each. The CPU time of a
 * write tells more than its rate where others load the machine.
 */
import { ClassicLevel } from 'classic-level'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machineEnv } from '../src/server/env.ts'
import { openLevelEngine } from '../src/store/level.ts'
import { LocalStore } from '../src/store/local.ts'
import { median } from './lib/figures.ts'

const WRITERS = [1, 64]
const ROUNDS = 5
const WARMUP_MS = 500
const MEASURE_MS = 2000

/** Takes one write; the promise resolves once a power cut could not take it back. */
type Target = (key: string, data: string) => Promise<unknown>

/** Groups concurrent writes: while one group syncs, the next gathers. */
function grouped(commit: (group: [string, string][]) => Promise<unknown>): Target {
  let gathering: [string, string][] = []
  let next: Promise<unknown> | undefined
  let running: Promise<unknown> = Promise.resolve()
  return (key, data) => {
    gathering.push([key, data])
    next ??= running.then(() => {
      const group = gathering
      gathering = []
      next = undefined
      return (running = commit(group))
    })
    return next
  }
}

const targets: Record<string, (dir: string) => Promise<Target>> = {
  log: async (dir) => {
    const file = await open(join(dir, 'log'), 'a')
    return grouped(async (group) => {
      await file.write(group.map(([key, data]) => `${key} ${data}\n`).join(''))
      await file.datasync()
    })
  },
  level: async (dir) => {
    const level = new ClassicLevel(dir)
    await level.open()
    return grouped((group) =>
      level.batch(
        group.map(([key, value]) => ({ type: 'put', key, value })),
        { sync: true },
      ),
    )
  },
  skerry: async (dir) => {
    const store = await LocalStore.open(await openLevelEngine(dir), machineEnv)
    store.watch(() => undefined)
    return (path, data) => store.write([{ path, decide: () => data }])
  },
}

/** Half of the writes are new paths, half overwrite one of the 50,000 newest. */
async function measure(name: string, writers: number): Promise<Figures> {
  const dir = mkdtempSync(join(tmpdir(), 'skerry-bench-'))
  const target = await targets[name]!(dir)
  const padding = randomBytes(1 << 20).toString('base64')
  let made = 0
  let done = 0
  let over = false
  const writer = async (): Promise<void> => {
    while (!over) {
      const fresh = made < 100 || made % 2 === 0 || Math.random() < 0.5
      const key = fresh ? made++ : Math.floor(made - Math.random() * Math.min(made, 50_000))
      const at = Math.floor(Math.random() * (padding.length - 200))
      await target(`users/${key}`, `"${padding.slice(at, at + 198)}"`)
      done++
    }
  }
  const writing = Promise.all(Array.from({ length: writers }, writer))
  await elapsed(WARMUP_MS)
  const [start, before, cpu] = [performance.now(), done, process.cpuUsage()]
  await elapsed(MEASURE_MS)
  const writes = done - before
  const { user, system } = process.cpuUsage(cpu)
  const perSecond = (writes / (performance.now() - start)) * 1000
  over = true
  await writing
  rmSync(dir, { recursive: true, force: true })
  return { perSecond, cpuUs: (user + system) / writes }
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

interface Figures {
  readonly perSecond: number
  /** CPU time of one write in all threads, in microseconds. */
  readonly cpuUs: number
}

function inItsOwnProcess(name: string, writers: number): Figures {
  const file = fileURLToPath(import.meta.url)
  const args = [...process.execArgv, file, '--target', name, String(writers)]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Figures
}

function compare(): void {
  for (const writers of WRITERS) {
    const figures = new Map(Object.keys(targets).map((name) => [name, [] as Figures[]]))
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, rounds] of figures) rounds.push(inItsOwnProcess(name, writers))
    }
    const ours = figures.get('skerry')!
    console.log(`durable writes/s of 200 B, ${writers} writer${writers === 1 ? '' : 's'}`)
    for (const [name, rounds] of figures) {
      const perSecond = median(rounds.map((each) => each.perSecond))
      const cpuUs = median(rounds.map((each) => each.cpuUs))
      // Rounds side by side in time are compared, then the middle one is taken.
      const ratio = median(rounds.map((each, i) => ours[i]!.perSecond / each.perSecond))
      console.log(
        `  ${name.padEnd(8)}${Math.round(perSecond).toString().padStart(8)}` +
          `${cpuUs.toFixed(1).padStart(8)} µs of CPU each` +
          (name === 'skerry' ? '' : `   skerry is ${ratio.toFixed(2)} of it`),
      )
    }
  }
}

const [flag, name, writers] = process.argv.slice(2)
if (flag === '--target') {
  process.stdout.write(JSON.stringify(await measure(name!, Number(writers))))
  process.exit()
} else {
  compare()
}
