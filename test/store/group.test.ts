import { expect, test } from 'vitest'
import { type Entry, stampOf } from '../../src/core/entry.ts'
import { HybridClock } from '../../src/core/hlc.ts'
import { Group } from '../../src/store/group.ts'
import type { Held } from '../../src/store/layout.ts'
import { VirtualEnv } from '../../src/testing/env.ts'

const env = new VirtualEnv()

/** A delete from a node whose clock is ahead, seen at once as it overrules what was kept aside. */
const ahead = env.now() + 3_600_000_000_000n
const tombstone: Entry = {
  ...{ path: 'users/1', created: 0n, updated: ahead, origin: 'p', data: null },
  overrules: true,
}
const deleted: Held = { entry: tombstone, seq: 3, from: 'p' }

/** A group that has begun with collecting the delete. */
function collecting(): Group {
  const group = new Group(
    {
      ...{ nodeId: 'node', epoch: 'epoch', hash: env.hash },
      clock: new HybridClock(() => env.now(), 0n),
      held: (path) => (path === tombstone.path ? deleted : undefined),
      acknowledged: () => false,
      horizon: () => 0n,
      withheld: () => undefined,
    },
    5,
  )
  expect(group.attempt((g) => g.collect(tombstone.path, deleted.seq))).toBe(true)
  return group
}

test('a write in the step that collects a delete at its path is stamped above that', () => {
  const group = collecting()
  const written = group.attempt((g) => g.write({ path: tombstone.path, decide: () => '1' }))
  expect(stampOf(written.entry!)).toBeGreaterThan(ahead)
})

test('what may be from before a delete is withheld also in the step that collects it', () => {
  const group = collecting()
  const { path } = tombstone
  const older = { path, created: ahead - 1n, updated: 0n, origin: 'q', data: '1' }
  const doubted = new Set([path])
  const { changed, aside } = group.attempt((g) => g.merge([older], { peer: 'q', doubted }))
  expect({ changed, aside, withheld: group.withheldMore }).toEqual({
    ...{ changed: 0, aside: [path], withheld: 1 },
  })
})
