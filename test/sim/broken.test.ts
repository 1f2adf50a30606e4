import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { canaries, credulous } from '../../sim/canary.ts'
import { deletionScenarios } from '../../sim/deletion.ts'
import { sabotages } from '../../sim/sabotage.ts'
import { simulate } from '../../sim/scenario.ts'
import { played } from '../../sim/scene.ts'
import { topologyScene } from '../../sim/scenes/topologies.ts'
import { expectFoundOut } from './seeds.ts'

const star = topologyScene('star')

describe('a store that is broken on purpose is found out', () => {
  for (const [name, open] of Object.entries(canaries)) {
    test(name, { timeout: 300_000 }, () => expectFoundOut(played(star, { open })))
  }

  test('what may undo deletes is merged like anything else', async () => {
    for (const scenario of deletionScenarios({ open: credulous })) {
      const { violation } = await simulate(scenario, 1)
      if (scenario.name !== 'waiting') expect(violation, scenario.name).toBeDefined()
    }
  })
})

describe('another part that is broken on purpose is found out by its rule', () => {
  for (const [name, { scene, plan, rule }] of Object.entries(sabotages)) {
    test(`${name}: ${rule}`, { timeout: 300_000 }, () => expectFoundOut(played(scene, plan), rule))
  }

  test('for each rule of the first eleven invariants', () => {
    const found = new Map<string, Set<string>>()
    for (const [name, { rule }] of Object.entries(sabotages)) {
      for (const [number] of name.split(':')[0]!.matchAll(/I\d+/g)) {
        found.set(number, (found.get(number) ?? new Set()).add(rule))
      }
    }
    const document = readFileSync(new URL('../../docs/invariants.md', import.meta.url), 'utf8')
    const rules = new Set([...found.values()].flatMap((each) => [...each]))
    for (let number = 1; number <= 11; number++) {
      const [, said = ''] = document.match(new RegExp(`^- I${number}: (.*)$`, 'm')) ?? []
      expect(said, `I${number}`).not.toBe('')
      expect([...(found.get(`I${number}`) ?? [])], `I${number}`).not.toEqual([])
      for (const [list] of said.matchAll(/rules? `\w+`(?:(?:, | and )`\w+`)*/g)) {
        for (const [, rule] of list.matchAll(/`(\w+)`/g))
          expect(rules, `I${number}`).toContain(rule)
      }
    }
  })
})
