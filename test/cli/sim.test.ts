import { expect, test } from 'vitest'
import { run } from './command.ts'

test('sim runs the simulator: the same seed gives the same trace', async () => {
  const [first, second] = await Promise.all([run(['sim', '--seed=7']), run(['sim', '--seed=7'])])
  expect(first.stdout).toMatch(/^seed 7: /)
  expect(first.stdout).toBe(second.stdout)
  expect([first.code, second.code]).toEqual([0, 0])
})

test('a wrong option of sim: exit 2', async () => {
  const { code, stderr } = await run(['sim', '--sede=7'])
  expect(stderr).toContain('--sede')
  expect(code).toBe(2)
})
