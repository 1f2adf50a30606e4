import { type ChildProcess, fork, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createCluster } from '../../src/cluster.ts'
import { options } from './options.ts'
import type { Report } from './worker.ts'

// Four worker processes poll the files of this repository, each file by exactly one of them, while
// one is killed, one is drained and one joins. Needs Redis: REDIS_URL, or redis-server on PATH.
//   npx tsx examples/workers/main.ts

const root = fileURLToPath(new URL('../..', import.meta.url))
const files = ['src', 'docs', 'test']
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))

const DEADLINE_MS = 120_000
const processes: ChildProcess[] = []
process.on('exit', () => processes.forEach((child) => child.kill('SIGKILL')))
const registry = process.env['REDIS_URL'] ?? (await startRedis())

/** Who worked on a file with which epoch: a lower epoch than the highest seen is refused. */
const latest = new Map<string, { epoch: number; by: string }>()
let sinceWhen = new Map<string, Set<string>>()
const doubled: string[] = []
let [accepted, refused, wrong] = [0, 0, 0]

function take({ file, epoch, digest }: Report, by: string): void {
  const last = latest.get(file)
  if (last && epoch < last.epoch) {
    refused++
    return
  }
  if (last?.epoch === epoch && last.by !== by) doubled.push(file)
  if (digest !== createHash('sha256').update(readFileSync(file)).digest('hex')) wrong++
  accepted++
  latest.set(file, { epoch, by })
  sinceWhen.set(file, (sinceWhen.get(file) ?? new Set()).add(by))
}

async function startRedis(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  const given = ['--port', `${port}`, '--save', '']
  processes.push(spawn('redis-server', given, { stdio: 'ignore' }))
  return `redis://127.0.0.1:${port}`
}

function startWorker(id: string): ChildProcess {
  const script = fileURLToPath(new URL('./worker.ts', import.meta.url))
  const child = fork(script, [id, registry], { execArgv: ['--import', 'tsx'] })
  processes.push(child)
  child.on('message', (report: Report) => take(report, id))
  return child
}

/** Waits until every file was polled, each by one worker, and all of `workers` took part. */
async function everyFileOnce(what: string, workers: readonly string[]): Promise<void> {
  const began = Date.now()
  for (;;) {
    sinceWhen = new Map()
    while (sinceWhen.size < files.length) {
      if (Date.now() - began > DEADLINE_MS) throw new Error(`${what}: not every file is polled`)
      await sleep(20)
    }
    const owners = [...sinceWhen.values()].map((by) => [...by].sort().join())
    if ([...new Set(owners)].sort().join(' ') === workers.join(' ')) break
  }
  const shares = new Map<string, number>()
  for (const by of sinceWhen.values()) {
    for (const id of by) shares.set(id, (shares.get(id) ?? 0) + 1)
  }
  const text = Array.from(shares, ([id, count]) => `${id} ${count}`).sort()
  const seconds = ((Date.now() - began) / 1_000).toFixed(1)
  console.log(`${what.padEnd(16)} ${text.join(', ')}; each file by one worker after ${seconds} s`)
}

const cluster = createCluster({ ...options, registry })
cluster.on('died', ({ nodeId }) => console.log(`  ${nodeId} died`))
cluster.on('rebalanced', ({ moved }) => console.log(`  ${moved} slots of ${options.slots} moved`))
await cluster.start()
const children = new Map(['a', 'b', 'c'].map((id) => [id, startWorker(id)]))
await cluster.distribute(files)
console.log(`${files.length} files of this repository, polled by key`)
await everyFileOnce('three workers', ['a', 'b', 'c'])

children.get('b')!.kill('SIGKILL')
await everyFileOnce('b killed', ['a', 'c'])

children.set('d', startWorker('d'))
await everyFileOnce('d joined', ['a', 'c', 'd'])

await cluster.drain('a')
await everyFileOnce('a drained', ['c', 'd'])
children.get('a')!.kill('SIGTERM')
await once(children.get('a')!, 'exit')
await cluster.leave('a')
await everyFileOnce('a left', ['c', 'd'])

const well = doubled.length === 0 && wrong === 0
console.log(`${accepted} polls accepted, ${refused} refused by epoch, ${doubled.length} doubled`)
const exits = ['c', 'd'].map((id) => once(children.get(id)!, 'exit'))
for (const id of ['c', 'd']) children.get(id)!.kill('SIGTERM')
await Promise.all(exits)
await cluster.destroy()
process.exit(well ? 0 : 1)
