import { expect, test, vi } from 'vitest'
import { warmUp } from '../../src/server/warmup.ts'

test('the warm-up makes thousands of ticks, one at a time, and once a process', async () => {
  let pending = 0
  let most = 0
  const nextTick = vi.spyOn(process, 'nextTick').mockImplementation((callback) => {
    most = Math.max(most, ++pending)
    queueMicrotask(() => {
      pending--
      const tick = callback as () => void
      tick()
    })
  })
  await warmUp()
  const { length } = nextTick.mock.calls
  await warmUp()
  expect(nextTick).toHaveBeenCalledTimes(length)
  nextTick.mockRestore()
  expect(length).toBeGreaterThan(10_000)
  expect(most).toBe(1)
})
