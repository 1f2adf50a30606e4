import { expect, test } from 'vitest'
import { RepairLog } from '../../src/server/health/repairs.ts'
import type { LinkStatus } from '../../src/sync/status.ts'

test('the log tells how far a repair is, each figure once, and how it ended', () => {
  const lines: unknown[] = []
  const told = (fields: object, message: string) => void lines.push([message, fields])
  const log = new RepairLog({ info: told, warn: told, error: told })
  const link = (done?: number): LinkStatus =>
    ({
      peer: 'leader',
      repairing: done === undefined ? undefined : { key: 'users/*', done, total: 9 },
      unrepaired: done === undefined ? [] : ['users/*'],
    }) as unknown as LinkStatus
  log.note([])
  log.note([link(3)])
  log.note([link(3)])
  log.note([link(7)])
  log.note([link()])
  log.note([link()])
  const at = { peer: 'leader', key: 'users/*' }
  expect(lines).toEqual([
    ['repairing', { ...at, done: 3, total: 9 }],
    ['repairing', { ...at, done: 7, total: 9 }],
    ['repaired', at],
  ])
  log.note([link(1)])
  log.note([])
  expect(lines.at(-1)).toEqual(['the repair was cut off', at])
})
