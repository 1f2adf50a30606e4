import { expect, test } from 'vitest'
import { simulate } from '../../sim/scenario.ts'
import { scenarios, scenes } from '../../sim/scenarios.ts'
import { played } from '../../sim/scene.ts'

test.each(scenes)(
  'one seed of $name has one outcome, event by event; another seed has another',
  { timeout: 60_000 },
  async (scene) => {
    const scenario = played(scene)
    const lines: string[][] = [[], [], []]
    const first = await simulate(scenario, 7, (line) => lines[0]!.push(line))
    const again = await simulate(scenario, 7, (line) => lines[1]!.push(line))
    const other = await simulate(scenario, 8, (line) => lines[2]!.push(line))
    expect(lines[1]).toEqual(lines[0])
    expect(again).toEqual(first)
    expect(other.trace).not.toBe(first.trace)
  },
)

// What was taken for a loss, and is none: each seed by what became of an acknowledged version.
test.each<[string, string, number]>([
  ['deleted, though nobody was told that it is done, and collected', 'mesh', 56],
  [
    'a delete collected by who lost its disk, before it met all its peers again',
    'rotation',
    20778033,
  ],
  ['a delete collected by who relied on a disk that is lost since', 'tree', 52],
  ['an older delete that came to where the newer one was collected', 'tree', 112],
  ['a delete that is forgotten, of what nobody has', 'fencing', 179],
  ['gone with all its disks, and what is left stamped lower since', 'drift', 20779016],
  [
    'deleted, and the delete undone by a write that its node could tell nobody',
    'fencing',
    61000946,
  ],
  ['a late write where a delete was forgotten, beside who remembers it', 'fencing', 61000638],
])('no loss: %s (%s, seed %i)', { timeout: 60_000 }, async (_, name, seed) => {
  expect((await simulate(scenarios.get(name)!, seed)).violation).toBe(undefined)
})

// What was wrong once: disks taken back that nobody told of it, deletes that were undone.
test.each<[string, string, number]>([
  ['back under an epoch that it had left', 'fencing', 276],
  ['lacking what a repair that was cut off had brought', 'fencing', 1376],
  ['a copy that stamped its writes anew before it met anybody', 'clone', 77],
  ['an older delete where a newer one was forgotten', 'tree', 31102],
])('found out: %s (%s, seed %i)', { timeout: 60_000 }, async (_, name, seed) => {
  expect((await simulate(scenarios.get(name)!, seed)).violation).toBe(undefined)
})
