import { expect, test } from 'vitest'
import { commitScenario, hasty } from '../../sim/commits.ts'
import { expectFoundOut, failures } from './seeds.ts'

const RUNS = 40

test(
  'what a commit level answered is where it said, and outlives a minority of the disks',
  { timeout: 300_000 },
  async () => {
    expect(await failures(commitScenario(), RUNS)).toEqual([])
  },
)

test('a node that acknowledges before its disk has it is found out', { timeout: 300_000 }, () =>
  expectFoundOut(commitScenario({ sync: hasty }), 'commit'),
)
