/**
 * How fast does a new node fill up from a leader? Two processes, both disks durable. Beside it, in the
 * same run: the same rows copied from one LevelDB to another in synced batches of 1,000, in one process.
 */
import { ClassicLevel } from 'classic-level'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { printRatio } from './lib/figures.ts'
import { inStep, startNode, untilStatus } from './lib/node.ts'

const ENTRIES = 50_000
const BATCH = 1000

function row(n: number): string {
  return JSON.stringify({ n, padding: randomBytes(85).toString('hex') })
}

async function ours(): Promise<{ perSecond: number; bytesEach: number }> {
  const leader = await startNode('--id', 'leader')
  let next = 0
  const writer = async (): Promise<void> => {
    while (next < ENTRIES) {
      const n = next++
      await fetch(`${leader.url}/rows/${n}`, { method: 'POST', body: row(n) })
    }
  }
  await Promise.all(Array.from({ length: 64 }, writer))
  const start = performance.now()
  const follower = await startNode('--id', 'follower', '--leader', leader.url)
  const started = performance.now() - start
  let bytes = 0
  await untilStatus(follower, (status) => {
    bytes = status.sync.links[0]?.bytesReceived ?? 0
    return inStep(status) && status.seq >= ENTRIES
  })
  const seconds = (performance.now() - start - started) / 1000
  await follower.stop()
  await leader.stop()
  return { perSecond: ENTRIES / seconds, bytesEach: bytes / ENTRIES }
}

async function copy(): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'skerry-bench-'))
  const from = new ClassicLevel(join(dir, 'from'))
  const to = new ClassicLevel(join(dir, 'to'))
  for (let n = 0; n < ENTRIES; n += BATCH) {
    const rows = Array.from({ length: BATCH }, (_, i) => n + i)
    await from.batch(
      rows.map((i) => ({ type: 'put', key: `rows/${i}`, value: row(i) })),
      { sync: true },
    )
  }
  const start = performance.now()
  const iterator = from.iterator()
  for (;;) {
    const rows = await iterator.nextv(BATCH)
    if (rows.length === 0) break
    await to.batch(
      rows.map(([key, value]) => ({ type: 'put', key, value })),
      { sync: true },
    )
  }
  await iterator.close()
  const seconds = (performance.now() - start) / 1000
  await from.close()
  await to.close()
  rmSync(dir, { recursive: true })
  return ENTRIES / seconds
}

const theirs = await copy()
const { perSecond, bytesEach } = await ours()
printRatio(`first sync of ${ENTRIES.toLocaleString('en')} entries`, {
  ours: perSecond,
  theirs,
  peer: 'LevelDB to LevelDB in one process',
  unit: 'entries/s',
})
console.log(`bytes on the link for each entry of about 190 characters: ${Math.round(bytesEach)}`)
