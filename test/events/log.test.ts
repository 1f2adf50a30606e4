import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { VirtualEnv } from '../../sim/events/env.ts'
import { createKeyGenerator, keyAt, keyTimeMs } from '../../src/events/key.ts'
import { openEventLog } from '../../src/events/log.ts'
import { MemoryEngine } from '../../src/store/memory.ts'

const START = Date.UTC(2026, 0, 1, 10, 30)

async function openLog(engine = new MemoryEngine(), env = new VirtualEnv(1, START)) {
  const log = await openEventLog(engine, { env, interval: 'PT1H', closeGraceMs: 10_000 })
  const closed: string[] = []
  log.on('intervalClosed', ({ from }) => closed.push(from))
  return { log, env, engine, closed }
}

const at = (hours: number, minutes: number, unique = '000000000') =>
  keyAt(Date.UTC(2026, 0, 1, hours, minutes)).slice(0, 18) + unique

describe('intervals', () => {
  test('the current, the previous and the next one take events; others refuse', async () => {
    const { log } = await openLog()
    for (const hour of [9, 10, 11]) await log.put(at(hour, 59), { hour })
    const tooOld = log.put(at(8, 59), {})
    await expect(tooOld).rejects.toMatchObject({ code: 'SKERRY_EVENTS_KEY_OUT_OF_WINDOW' })
    const tooFar = log.put(at(12, 0), {})
    await expect(tooFar).rejects.toMatchObject({ code: 'SKERRY_EVENTS_KEY_OUT_OF_WINDOW' })
    await expect(log.put('a key', {})).rejects.toMatchObject({ code: 'SKERRY_EVENTS_KEY_INVALID' })
    log.close()
  })

  test('one is announced as closed once, after the grace, and then read-only but for replicas', async () => {
    const { log, env, engine, closed } = await openLog()
    await log.put(at(9, 5), { kept: true })
    await env.advance(30 * 60_000)
    await expect(log.put(at(9, 6), {})).rejects.toThrow(/outside the open intervals/)
    expect(closed).toEqual([])
    expect(log.intervalOf(at(9, 5)).state).toBe('closing')
    await env.advance(10_000)
    expect(closed).toEqual([at(9, 0)])
    await log.writeReplica(at(9, 7), '{"late":"replica"}')
    expect(await log.get(at(9, 7))).toEqual({ late: 'replica' })
    log.close()

    const again = await openLog(engine, new VirtualEnv(1, START))
    expect(again.closed).toEqual([])
    await expect(again.log.put(at(9, 8), {}), 'though the clock went back').rejects.toThrow()
    again.log.close()
  })

  test('those with events are listed in order', async () => {
    const { log } = await openLog()
    for (const hour of [11, 9, 10]) await log.put(at(hour, 1), {})
    const listed = []
    for await (const { from, state } of log.intervals()) listed.push([from, state])
    expect(listed).toEqual([9, 10, 11].map((hour) => [at(hour, 0), 'open']))
    log.close()
  })
})

test('the same event again is no matter; another one under its key is refused, even in flight', async () => {
  const { log } = await openLog()
  const key = at(10, 0)
  const first = log.put(key, { a: 1, b: [2] })
  await expect(log.put(key, { a: 2 })).rejects.toMatchObject({ code: 'SKERRY_EVENTS_CONFLICT' })
  await first
  await log.put(key, { b: [2], a: 1 })
  await expect(log.put(key, { a: 2 })).rejects.toMatchObject({ code: 'SKERRY_EVENTS_CONFLICT' })
  expect(await log.get(key)).toEqual({ a: 1, b: [2] })
  log.close()
})

test('events that differ beyond 53 bits of a number are different events', async () => {
  const { log } = await openLog()
  const key = at(10, 0)
  await log.writeReplica(key, '{"n":9007199254740993,"m":1}')
  await log.writeReplica(key, '{"m":1.0, "n":9007199254740993}')
  await expect(log.writeReplica(key, '{"n":9007199254740992,"m":1}')).rejects.toMatchObject({
    code: 'SKERRY_EVENTS_CONFLICT',
  })
  log.close()
})

test('pages are bounded by rows and by size, and go on where they stopped', async () => {
  const { log, env } = await openLog()
  const generateKey = createKeyGenerator({ env, process: 1, node: 'n' })
  const keys = Array.from({ length: 40 }, generateKey)
  await Promise.all(keys.map((key, index) => log.put(key, 'x'.repeat(index < 20 ? 10 : 200_000))))
  const seen: string[] = []
  let pages = 0
  for (let from = '', more = true; more; pages++) {
    const page = await log.rangeReplicas({ from, limit: 15 })
    seen.push(...page.rows.map(([key]) => key))
    from = `${page.rows.at(-1)?.[0]}\0`
    more = page.more
  }
  expect(seen).toEqual(keys)
  expect(pages).toBeGreaterThan(4)
  log.close()
})

describe('keys', () => {
  test('have the form of alldata', () => {
    const env = { now: () => BigInt(Date.UTC(2013, 8, 27, 0, 52, 40, 652)) * 1_000_000n }
    expect(createKeyGenerator({ env, process: 1, node: 'n' })()).toMatch(
      /^20130927T005240652000\d{6}$/,
    )
    expect(keyTimeMs('20130927T005240652508858176')).toBe(Date.UTC(2013, 8, 27, 0, 52, 40, 652))
  })

  test('name every moment that there is, and no other', () => {
    const moments = fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 })
    fc.assert(
      fc.property(moments, (timeMs) => {
        const iso = new Date(timeMs).toISOString().replace(/[-:.Z]/g, '')
        expect(keyAt(timeMs)).toBe(`${iso}000000000`)
        expect(keyTimeMs(keyAt(timeMs))).toBe(timeMs)
      }),
    )
    for (const wrong of [
      '20260230T000000000',
      '20261301T000000000',
      '20260101T240000000',
      '20250229T000000000',
    ]) {
      expect(keyTimeMs(`${wrong}000000000`)).toBeUndefined()
    }
  })

  test('grow, whatever the clock does, and differ between the processes of a node', () => {
    const clock = fc.array(fc.integer({ min: -5_000, max: 5_000 }), { minLength: 1, maxLength: 50 })
    fc.assert(
      fc.property(clock, fc.integer({ min: 1, max: 4_194_304 }), (steps, process) => {
        let nowUs = 1_767_225_600_000_000n
        const env = { now: () => nowUs * 1_000n }
        const mine = createKeyGenerator({ env, process, node: 'n' })
        const other = createKeyGenerator({ env, process: process + 1, node: 'n' })
        const keys: string[] = []
        const others = new Set<string>()
        for (const step of steps) {
          nowUs += BigInt(step)
          keys.push(mine())
          others.add(other())
        }
        expect([...keys].sort()).toEqual(keys)
        expect(new Set(keys).size).toBe(keys.length)
        expect(keys.some((key) => others.has(key))).toBe(false)
      }),
    )
  })
})
