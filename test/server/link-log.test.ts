import { expect, test } from 'vitest'
import type { Logger } from '../../src/index.ts'
import { LinkLog } from '../../src/server/link-log.ts'
import type { LinkStatus } from '../../src/sync/status.ts'
import { directory } from './directory.ts'
import { runningNode } from './running.ts'

interface Line {
  readonly level: keyof Logger
  readonly message: string
  readonly fields: Record<string, unknown>
}

function listening(): { lines: Line[]; logger: Logger } {
  const lines: Line[] = []
  const at = (level: keyof Logger) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: { ...fields } })
  return { lines, logger: { info: at('info'), warn: at('warn'), error: at('error') } }
}

test('a link is logged as it opens and as it is lost; what is tried in vain, once', async () => {
  const leader = await runningNode({ id: 'leader' })
  const { lines, logger } = listening()
  const { url } = leader
  const node = await runningNode({ id: 'node', leader: url, logger })
  const linked = { level: 'info', message: 'linked', fields: { peer: 'leader', url, keys: ['**'] } }
  await expect.poll(() => lines).toMatchObject([linked])
  await leader.close()
  const failures = () => node.status().sync.waiting[0]?.failures ?? 0
  await expect.poll(failures).toBeGreaterThan(3)
  expect(lines.slice(1)).toMatchObject([
    { level: 'warn', message: 'link lost', fields: { peer: 'leader', url } },
    { level: 'warn', message: 'no link, tried on', fields: { url } },
  ])
})

test('a copied data directory is logged where it is kept out, and where it is told so', async () => {
  const { lines, logger } = listening()
  const leader = await runningNode({ id: 'leader', logger })
  const told = listening()
  const options = { leader: leader.url, memory: false }
  await runningNode({ ...options, id: 'twin', data: await directory() })
  await expect.poll(() => lines.length).toBe(1)
  const twin = { ...options, id: 'twin', data: await directory(), logger: told.logger }
  await runningNode(twin)
  await expect.poll(() => told.lines).toMatchObject([{ level: 'warn' }])
  expect(told.lines[0]!.fields['reason']).toContain("node 'twin' runs twice")
  expect(lines).toMatchObject([
    { message: 'linked', fields: { peer: 'twin' } },
    { level: 'error', fields: { peer: 'twin' } },
  ])
})

/** How the link with the leader is: open, and so far with a repair, if one is under way. */
function linkTo(peer: string, key?: string, done?: number): LinkStatus {
  const repairing = key === undefined ? undefined : { key, done, total: 9 }
  const unrepaired = key === undefined ? [] : [key]
  return { peer, open: true, repairing, unrepaired } as unknown as LinkStatus
}

test('the log tells how far a repair is, each figure once, and how it ended', () => {
  const { lines, logger } = listening()
  const log = new LinkLog(logger)
  const key = 'users/*'
  for (const done of [3, 3, 7]) log.follow([linkTo('leader', key, done)])
  log.follow([linkTo('leader')])
  log.follow([linkTo('leader')])
  const at = { peer: 'leader', key }
  expect(lines.splice(0)).toEqual([
    { level: 'info', message: 'repairing', fields: { ...at, done: 3, total: 9 } },
    { level: 'info', message: 'repairing', fields: { ...at, done: 7, total: 9 } },
    { level: 'info', message: 'repaired', fields: at },
  ])
  const cut = { level: 'info', message: 'the repair was cut off', fields: at }
  log.follow([linkTo('leader', key, 1)])
  log.follow([])
  expect(lines.splice(0).at(-1)).toEqual(cut)
  // It is back, and has yet to say what there is to repair.
  log.follow([linkTo('leader', key, 1)])
  log.follow([{ ...linkTo('leader'), open: false }])
  expect(lines.at(-1)).toEqual(cut)
})

test('the log tells of the repairs of each peer by itself, and of a key when the next one begins', () => {
  const { lines, logger } = listening()
  const log = new LinkLog(logger)
  log.follow([linkTo('a', 'x', 1), linkTo('b', 'x', 1)])
  log.follow([linkTo('a', 'y', 1), linkTo('b', 'x', 1)])
  log.follow([linkTo('a', 'y', 1), linkTo('b')])
  expect(lines.map(({ message, fields: { peer, key } }) => [message, peer, key])).toEqual([
    ['repairing', 'a', 'x'],
    ['repairing', 'b', 'x'],
    ['repaired', 'a', 'x'],
    ['repairing', 'a', 'y'],
    ['repaired', 'b', 'x'],
  ])
})
