import { describe, expect, test } from 'vitest'
import { VirtualEnv } from '../../sim/events/env.ts'
import type { SkerryError } from '../../src/core/errors.ts'
import { Coordinator } from '../../src/events/coordinator.ts'
import type { CoordinatorOptions } from '../../src/events/options.ts'
import type { Answer } from '../../src/events/storage.ts'

/** A coordinator that stores at once, with one peer that does as a test says. */
function pair(options: Partial<CoordinatorOptions>) {
  const env = new VirtualEnv()
  const coordinator = new Coordinator(
    { put: (_key, _event, callback) => callback() },
    { env, replicationFactor: 2, ...options },
  )
  const peer = { answer: (callback: Answer, _key: string): void => callback() }
  coordinator.on('_put', (_peer, key, _event, callback) => peer.answer(callback, key))
  coordinator.addPeer({ id: 'a' })
  return { env, coordinator, peer }
}

const refuse = (callback: Answer) => callback(new Error('refused'))
const codeOf = (error: SkerryError) => error.code

async function reasons(coordinator: Coordinator): Promise<string[]> {
  const found: string[] = []
  for await (const { reason } of coordinator.underReplicated()) found.push(reason)
  return found
}

describe('what is beyond a bound is refused or listed, never lost', () => {
  test('maxInFlight: one more put is refused, and taken again once another has ended', async () => {
    const { env, coordinator, peer } = pair({ maxInFlight: 2 })
    peer.answer = () => undefined
    const waiting = [1, 2].map((n) => coordinator.put(`key${n}`, n).catch(codeOf))
    await coordinator.ready()
    await expect(coordinator.put('key3', 3).catch(codeOf)).resolves.toBe('SKERRY_EVENTS_OVERLOADED')
    await env.advance(5_000)
    expect(await Promise.all(waiting)).toEqual(Array(2).fill('SKERRY_EVENTS_TIMEOUT'))
    peer.answer = (callback) => callback()
    await expect(coordinator.put('key3', 3)).resolves.toMatchObject({ acknowledged: true })
  })

  test('maxHints: without room for a hint the event is listed with that reason', async () => {
    const { env, coordinator, peer } = pair({ maxHints: 1 })
    peer.answer = refuse
    for (const key of ['key1', 'key2']) await coordinator.put(key, key, 'ONE')
    await coordinator.settled()
    expect(coordinator.status()).toMatchObject({ hints: 1, underReplicated: 2 })
    expect((await reasons(coordinator))[1]).toBe('no room for a hint to a')
    peer.answer = (callback) => callback()
    await env.advance(10_000)
    expect(coordinator.status()).toMatchObject({ hints: 0, underReplicated: 0 })
  })

  test('maxUnderReplicated: while the list is full, puts are refused', async () => {
    const { env, coordinator, peer } = pair({ maxUnderReplicated: 1 })
    peer.answer = refuse
    await coordinator.put('key1', 1, 'ONE')
    await coordinator.settled()
    await expect(coordinator.put('key2', 2, 'ONE').catch(codeOf)).resolves.toBe(
      'SKERRY_EVENTS_OVERLOADED',
    )
    peer.answer = (callback) => callback()
    await env.advance(10_000)
    await expect(coordinator.put('key2', 2)).resolves.toMatchObject({ acknowledged: true })
  })

  test('hintWindowMs: a hint for who stays away is given up, and its event stays listed', async () => {
    const { env, coordinator } = pair({ hintWindowMs: 60_000 })
    coordinator.setAvailable('a', false)
    await coordinator.put('key', 1, 'ONE')
    await coordinator.settled()
    await env.advance(50_000)
    expect(coordinator.status()).toMatchObject({ hints: 1, underReplicated: 1 })
    await env.advance(400_000)
    expect(coordinator.status()).toMatchObject({ hints: 0, underReplicated: 1 })
    expect(await reasons(coordinator)).toEqual(['a was away for longer than hints are kept'])
    coordinator.setAvailable('a', true)
    await env.advance(1)
    expect(coordinator.status().underReplicated).toBe(0)
  })
})

describe('handing over', () => {
  const HINTS = 200

  async function hinted(options: Partial<CoordinatorOptions>) {
    const { env, coordinator, peer } = pair(options)
    coordinator.setAvailable('a', false)
    for (let n = 0; n < HINTS; n++) await coordinator.put(`key${1_000 + n}`, n, 'ONE')
    await coordinator.settled()
    expect(coordinator.status().hints).toBe(HINTS)
    const taken: string[] = []
    peer.answer = (callback, key) => {
      taken.push(key)
      callback()
    }
    return { env, coordinator, peer, taken }
  }

  test('is throttled to so many hints a second', async () => {
    const { env, coordinator, taken } = await hinted({ hintsPerSecond: 64 })
    coordinator.setAvailable('a', true)
    for (let second = 1; second <= 3; second++) {
      await env.advance(999)
      expect(taken).toHaveLength(64 * second)
      await env.advance(1)
    }
    expect(taken).toHaveLength(HINTS)
    expect(coordinator.status()).toMatchObject({ hints: 0, underReplicated: 0, handedOff: HINTS })
  })

  test('goes on where it was cut off, and tells nobody twice what was taken', async () => {
    const { env, coordinator, peer, taken } = await hinted({ hintsPerSecond: 100_000 })
    const take = peer.answer
    peer.answer = (callback, key) => (taken.length < 100 ? take(callback, key) : refuse(callback))
    coordinator.setAvailable('a', true)
    await env.advance(1_000)
    expect(taken).toHaveLength(100)
    expect(coordinator.status().hints).toBe(HINTS - 100)
    peer.answer = take
    await env.advance(20_000)
    expect(coordinator.status()).toMatchObject({ hints: 0, underReplicated: 0 })
    expect(new Set(taken).size).toBe(HINTS)
    expect(taken).toHaveLength(HINTS)
  })
})
