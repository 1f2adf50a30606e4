import { describe, expect, test } from 'vitest'
import { VirtualEnv } from '../../sim/events/env.ts'
import type { SkerryError } from '../../src/core/errors.ts'
import type { CommitLevel } from '../../src/events/commit.ts'
import { Coordinator } from '../../src/events/coordinator.ts'
import type { CoordinatorOptions } from '../../src/events/options.ts'
import type { Peer } from '../../src/events/peers.ts'
import type { Answer } from '../../src/events/storage.ts'

// What alldata-coordinator 0.1.1 gets wrong, one test for each finding.

type Options = Partial<CoordinatorOptions>

/** A coordinator whose local store and peers answer as each test says; by default with success. */
function standalone(options: Options = {}) {
  const env = new VirtualEnv()
  const stored: string[] = []
  const local = { put: (_key: string, _event: unknown, callback: Answer) => callback() }
  const coordinator = new Coordinator(
    { put: (key, event, callback) => local.put(key, event, callback) },
    { env, ...options },
  )
  /** Answers by peer id, in place of success. */
  const peers = new Map<string, (callback: Answer) => void>()
  const listen = () =>
    coordinator.on('_put', (peer, _key, _event, callback) => {
      stored.push(peer.id)
      const answer = peers.get(peer.id)
      if (answer) answer(callback)
      else callback()
    })
  return { env, coordinator, local, peers, asked: stored, listen }
}

const refuse = (callback: Answer) => callback(new Error('refused'))
const silent = () => {}
const codeOf = (error: SkerryError) => error.code

test('A1 array peer: a peer is handed over as it was added, and is never asked twice', async () => {
  const { coordinator, peers, asked, listen } = standalone({
    replicationFactor: 3,
    replicationStrategy: { otherZoneReplicas: 2 },
  })
  for (const id of ['a', 'b', 'c']) coordinator.addPeer({ id }, { zone: 'only' })
  coordinator.on('_put', (peer) => expect(Array.isArray(peer)).toBe(false))
  listen()
  peers.set('b', refuse)
  for (let put = 0; put < 300; put++) {
    asked.length = 0
    await coordinator.put(`key${put}`, { put })
    await coordinator.settled()
    expect(new Set(asked).size).toBe(asked.length)
  }
  await coordinator.close()
})

test('A2 local loop: the local zone is filled first', async () => {
  const { coordinator, asked, listen } = standalone({ replicationFactor: 3 })
  for (const id of ['l1', 'l2']) coordinator.addPeer({ id })
  for (const id of ['z1', 'z2']) coordinator.addPeer({ id }, { zone: 'z' })
  listen()
  for (let put = 0; put < 200; put++) {
    asked.length = 0
    await coordinator.put(`key${put}`, { put })
    expect(asked.sort()).toEqual(['l1', 'l2'])
  }

  const six = standalone({ replicationFactor: 6 })
  for (const id of ['l1', 'l2', 'l3', 'l4', 'l5']) six.coordinator.addPeer({ id })
  for (const id of ['r1', 'r2', 'r3']) six.coordinator.addPeer({ id }, { region: 'r' })
  six.listen()
  await six.coordinator.put('key', {})
  expect(six.asked.sort()).toEqual(['l1', 'l2', 'l3', 'l4', 'l5'])
})

describe('A3 order-dependent verdict', () => {
  for (const order of ['failure first', 'failure last']) {
    test(`QUORUM with one of two peers failing is acknowledged, ${order}`, async () => {
      const { coordinator, peers, listen } = standalone({ replicationFactor: 3 })
      for (const id of ['a', 'b']) coordinator.addPeer({ id })
      const callbacks = new Map<string, Answer>()
      for (const id of ['a', 'b']) peers.set(id, (callback) => callbacks.set(id, callback))
      listen()
      const put = coordinator.put('key', {})
      await coordinator.ready()
      const steps = [
        () => callbacks.get('a')?.(new Error('no')),
        () => callbacks.get('b')?.(undefined),
      ]
      for (const step of order === 'failure first' ? steps : steps.reverse()) step()
      expect((await put).replicas).toContain('local')
    })
  }

  test('ONE waits for a slow local store, whatever fails before it', async () => {
    const { coordinator, local, peers, listen } = standalone({ replicationFactor: 2 })
    coordinator.addPeer({ id: 'a' })
    peers.set('a', refuse)
    let stored: Answer = silent
    local.put = (_key, _event, callback) => void (stored = callback)
    listen()
    const put = coordinator.put('key', {}, 'ONE')
    await coordinator.ready()
    stored()
    expect((await put).replicas).toEqual(['local'])
  })

  test('the error says what became of each replica', async () => {
    const { coordinator, peers, listen } = standalone({ replicationFactor: 2 })
    coordinator.addPeer({ id: 'a' })
    peers.set('a', refuse)
    listen()
    await expect(coordinator.put('key', {}, 'ALL')).rejects.toMatchObject({
      code: 'SKERRY_EVENTS_FAILED',
      outcomes: new Map([
        ['local', 'ok'],
        ['a', 'failed'],
      ]),
    })
  })
})

describe('A4 same peer twice', () => {
  test('a synchronous failure brings in no peer that is asked anyway', async () => {
    const { coordinator, local, asked, listen } = standalone({ replicationFactor: 2 })
    local.put = (_key, _event, callback) => callback(new Error('disk full'))
    coordinator.addPeer({ id: 'a' })
    listen()
    await expect(coordinator.put('key', {}, 'ALL').catch(codeOf)).resolves.toBe(
      'SKERRY_EVENTS_FAILED',
    )
    expect(asked).toEqual(['a'])
  })

  test('a peer registered in a zone and in a region is one peer', async () => {
    const { coordinator, asked, listen } = standalone({
      replicationFactor: 3,
      replicationStrategy: { otherZoneReplicas: 1, otherRegionReplicas: 1 },
    })
    coordinator.addPeer({ id: 'a' }, { zone: 'z' })
    coordinator.addPeer({ id: 'a' }, { region: 'r' })
    listen()
    const put = coordinator.put('key', {}, 'ALL').catch(codeOf)
    await expect(put).resolves.toBe('SKERRY_EVENTS_UNAVAILABLE')
    expect(asked).toEqual([])
    expect(coordinator.status().peers).toBe(1)
  })
})

describe('A5 callback twice', () => {
  test('a peer that calls back twice counts once', async () => {
    const { env, coordinator, peers, listen } = standalone({ replicationFactor: 3 })
    for (const id of ['a', 'b']) coordinator.addPeer({ id })
    peers.set('a', (callback) => [callback(), callback()])
    peers.set('b', silent)
    listen()
    const put = coordinator.put('key', {}, 'ALL').catch(codeOf)
    await env.advance(6_000)
    expect(await put).toBe('SKERRY_EVENTS_TIMEOUT')
  })

  test('two listeners are one transport: the first answer counts', async () => {
    const { coordinator, peers, listen } = standalone({ replicationFactor: 2 })
    coordinator.addPeer({ id: 'a' })
    const callbacks: Answer[] = []
    peers.set('a', (callback) => callbacks.push(callback))
    listen()
    listen()
    const put = coordinator.put('key', {}, 'ALL')
    await coordinator.ready()
    expect(callbacks).toHaveLength(2)
    for (const callback of callbacks) callback()
    expect((await put).replicas).toEqual(['local', 'a'])
  })

  test('a second error brings in no second substitute', async () => {
    const { coordinator, peers, asked, listen } = standalone({ replicationFactor: 2 })
    for (const id of ['a', 'b', 'c']) {
      coordinator.addPeer({ id })
      peers.set(id, (callback) => [callback(asked.length === 1), callback(true)])
    }
    const first = (callback: Answer) => [callback(new Error('1')), callback(new Error('2'))]
    let isFirst = true
    for (const id of ['a', 'b', 'c']) {
      peers.set(id, (callback) => {
        if (isFirst) first(callback)
        else callback()
        isFirst = false
      })
    }
    listen()
    await coordinator.put('key', {}, 'ALL')
    await coordinator.settled()
    expect(asked).toHaveLength(2)
  })

  test('a listener that throws is a failed replica, and the caller hears once', async () => {
    const { coordinator, listen } = standalone({ replicationFactor: 2 })
    for (const id of ['a', 'b']) coordinator.addPeer({ id })
    let calls = 0
    coordinator.once('_put', (_peer, _key, _event, _callback) => {
      throw new Error('broken listener')
    })
    listen()
    const results: unknown[] = []
    await new Promise<void>((resolve) => {
      coordinator.put('key', {}, 'ALL', (error) => {
        results.push(error?.code)
        calls++
        resolve()
      })
    })
    await coordinator.settled()
    expect([calls, results]).toEqual([1, [undefined]])
  })
})

describe('A6 level', () => {
  test('an unknown level is refused, and undefined means the default', async () => {
    const { coordinator } = standalone()
    const quorum = coordinator.put('key', {}, 'quorum' as CommitLevel).catch(codeOf)
    await expect(quorum).resolves.toBe('SKERRY_EVENTS_LEVEL_INVALID')
    const nothing = coordinator.put('key', {}, null as unknown as CommitLevel)
    await expect(nothing).resolves.toMatchObject({ acknowledged: true })
    const code = await new Promise((resolve) => {
      coordinator.put('key', {}, 'one' as CommitLevel, (error) => resolve(error?.code))
    })
    expect(code).toBe('SKERRY_EVENTS_LEVEL_INVALID')
    await expect(coordinator.put('key', {})).resolves.toMatchObject({ acknowledged: true })
  })

  test('ONE is the local store and nothing else', async () => {
    const { coordinator, local, listen } = standalone({ replicationFactor: 3 })
    local.put = (_key, _event, callback) => callback(new Error('disk full'))
    for (const id of ['a', 'b', 'c']) coordinator.addPeer({ id })
    listen()
    await expect(coordinator.put('key', {}, 'ONE').catch(codeOf)).resolves.toBe(
      'SKERRY_EVENTS_FAILED',
    )
  })
})

describe('A7 silence', () => {
  test('a silent peer is replaced, and a copy kept for it', async () => {
    const { env, coordinator, peers, listen } = standalone({ replicationFactor: 2 })
    for (const id of ['a', 'b']) coordinator.addPeer({ id })
    let silentId = ''
    for (const id of ['a', 'b']) {
      peers.set(id, (callback) => {
        silentId ||= id
        if (id !== silentId) callback()
      })
    }
    listen()
    const put = coordinator.put('key', {}, 'ALL')
    await env.advance(1_000)
    const { replicas, hinted } = await put
    expect(replicas).toEqual(['local', silentId === 'a' ? 'b' : 'a'])
    expect(hinted).toEqual([silentId])
  })

  test('nobody listens: refused at once', async () => {
    const { coordinator } = standalone({ replicationFactor: 2 })
    coordinator.addPeer({ id: 'a' })
    await expect(coordinator.put('key', {}).catch(codeOf)).resolves.toBe('SKERRY_EVENTS_FAILED')
  })

  test('everybody is silent: a timeout at the deadline', async () => {
    const { env, coordinator, local, peers, listen } = standalone({ replicationFactor: 2 })
    coordinator.addPeer({ id: 'a' })
    peers.set('a', silent)
    local.put = silent
    listen()
    const put = coordinator.put('key', {}).catch(codeOf)
    await env.advance(4_999)
    expect(coordinator.status().puts.timeout).toBe(0)
    await env.advance(1)
    expect(await put).toBe('SKERRY_EVENTS_TIMEOUT')
  })
})

test('A8 lost after ack: what ONE leaves undone is kept, listed, and done later', async () => {
  const { env, coordinator, peers, asked, listen } = standalone({ replicationFactor: 3 })
  const listed: string[] = []
  coordinator.on('underReplicated', ({ key, missing }) => listed.push(`${key} ${missing}`))
  for (const id of ['a', 'b']) {
    coordinator.addPeer({ id })
    peers.set(id, refuse)
  }
  listen()
  await coordinator.put('key', {}, 'ONE')
  await coordinator.settled()
  expect(listed).toEqual(['key 2'])
  expect(coordinator.status()).toMatchObject({ hints: 2, underReplicated: 1 })
  peers.clear()
  asked.length = 0
  await env.advance(10_000)
  expect(asked.sort()).toEqual(['a', 'b'])
  expect(coordinator.status()).toMatchObject({ hints: 0, underReplicated: 0 })
})

test('A9 dropPeer: an unknown or repeated drop touches nobody else', async () => {
  const { coordinator, asked, listen } = standalone({
    replicationFactor: 3,
    replicationStrategy: { otherZoneReplicas: 2 },
  })
  coordinator.addPeer({ id: 'a' }, { zone: 'y' })
  coordinator.addPeer({ id: 'b' }, { zone: 'z' })
  coordinator.addPeer({ id: 'c' }, { zone: 'x' })
  listen()
  coordinator.dropPeer({ id: 'nobody' }, { zone: 'nowhere' })
  coordinator.dropPeer({ id: 'nobody' }, { region: 'nowhere' })
  coordinator.dropPeer({ id: 'c' }, { zone: 'x' })
  coordinator.dropPeer({ id: 'c' }, { zone: 'x' })
  expect(coordinator.status().peers).toBe(2)
  await coordinator.put('key', {}, 'ALL')
  expect(asked.sort()).toEqual(['a', 'b'])
})

test('A10 ids: any string is an id, a zone and a region', async () => {
  const ids = ['length', 'map', 'constructor', '__proto__', 'a/b %', '\u0000', '🪨']
  const { env, coordinator, peers, asked, listen } = standalone({
    replicationFactor: 1 + ids.length,
  })
  for (const id of ids) coordinator.addPeer({ id }, { zone: id })
  for (const id of ids) peers.set(id, refuse)
  listen()
  await coordinator.put('key', {}, 'ONE')
  await coordinator.settled()
  expect(asked.sort()).toEqual([...ids].sort())
  expect(coordinator.status()).toMatchObject({ peers: ids.length, hints: ids.length })
  expect(Object.keys(Object)).toEqual([])
  peers.clear()
  await env.advance(10_000)
  expect(coordinator.status().hints).toBe(0)
  expect(() => coordinator.addPeer({} as Peer)).toThrow(/needs an id/)
})

test('A11 stale peer: adding again updates the address and the place; dropping needs no place', async () => {
  const { coordinator } = standalone({ replicationFactor: 2 })
  const addresses: unknown[] = []
  coordinator.on('_put', (peer, _key, _event, callback) => {
    addresses.push(peer['hostname'])
    callback()
  })
  coordinator.addPeer({ id: 'a', hostname: 'old' }, { zone: 'z' })
  coordinator.addPeer({ id: 'a', hostname: 'new' }, { zone: 'z' })
  await coordinator.put('key', {}, 'ALL')
  expect(addresses).toEqual(['new'])
  coordinator.dropPeer({ id: 'a' })
  expect(coordinator.status().peers).toBe(0)
})

describe('A12 spread and hot spot', () => {
  test('a small zone gets its replica every time', async () => {
    const { coordinator, asked, listen } = standalone({
      replicationFactor: 4,
      replicationStrategy: { otherZoneReplicas: 3 },
    })
    for (let peer = 0; peer < 9; peer++) coordinator.addPeer({ id: `big${peer}` }, { zone: 'big' })
    coordinator.addPeer({ id: 'small' }, { zone: 'small' })
    listen()
    for (let put = 0; put < 200; put++) await coordinator.put(`key${put}`, {})
    expect(asked.filter((id) => id === 'small')).toHaveLength(200)
  })

  test('substitutes are spread over the peers', async () => {
    const { coordinator, peers, asked, listen } = standalone({
      replicationFactor: 2,
      replicationStrategy: { otherZoneReplicas: 1 },
    })
    coordinator.addPeer({ id: 'bad' }, { zone: 'z' })
    peers.set('bad', refuse)
    for (let peer = 0; peer < 4; peer++) coordinator.addPeer({ id: `l${peer}` })
    listen()
    for (let put = 0; put < 200; put++) await coordinator.put(`key${put}`, {}, 'ALL')
    const uses = [0, 1, 2, 3].map((peer) => asked.filter((id) => id === `l${peer}`).length)
    expect(uses.reduce((sum, count) => sum + count)).toBe(200)
    for (const count of uses) expect(count).toBeGreaterThan(20)
  })

  test('a peer that joined meanwhile may stand in, one that was dropped is not asked', async () => {
    const { coordinator, peers, asked, listen } = standalone({ replicationFactor: 2 })
    for (const id of ['a', 'b']) coordinator.addPeer({ id })
    const callbacks: Answer[] = []
    for (const id of ['a', 'b']) peers.set(id, (callback) => callbacks.push(callback))
    listen()
    const put = coordinator.put('key', {}, 'ALL')
    await coordinator.ready()
    const [first] = asked
    coordinator.dropPeer({ id: first === 'a' ? 'b' : 'a' })
    coordinator.addPeer({ id: 'joined' })
    callbacks[0]?.(new Error('no'))
    expect((await put).replicas).toEqual(['local', 'joined'])
    expect(asked).toEqual([first, 'joined'])
  })
})

describe('A13', () => {
  test('ONE needs no peers; the rest is listed as under-replicated', async () => {
    const { coordinator } = standalone({ replicationFactor: 3 })
    await expect(coordinator.put('key', {}, 'ONE')).resolves.toMatchObject({ replicas: ['local'] })
    await coordinator.settled()
    expect(coordinator.status().underReplicated).toBe(1)
    await expect(coordinator.put('key', {}).catch(codeOf)).resolves.toBe(
      'SKERRY_EVENTS_UNAVAILABLE',
    )
  })

  test('20,000 synchronous failures leave the stack flat', async () => {
    const { coordinator, peers, listen } = standalone({ replicationFactor: 2 })
    for (let peer = 0; peer < 20_000; peer++) {
      coordinator.addPeer({ id: `p${peer}` })
      peers.set(`p${peer}`, refuse)
    }
    listen()
    await expect(coordinator.put('key', {}, 'ALL').catch(codeOf)).resolves.toBe(
      'SKERRY_EVENTS_FAILED',
    )
  })

  test("the caller's options stay as they were", () => {
    const replicationStrategy = Object.freeze({ otherZoneReplicas: 1 })
    const options = Object.freeze({ replicationFactor: 2, replicationStrategy })
    expect(() => standalone(options)).not.toThrow()
    expect(replicationStrategy).toEqual({ otherZoneReplicas: 1 })
  })

  test("what a store does to its event reaches neither the peers nor the caller's object", async () => {
    const { coordinator, local } = standalone({ replicationFactor: 2 })
    local.put = (_key, event, callback) => {
      ;(event as Record<string, unknown>)['seen'] = true
      callback()
    }
    coordinator.addPeer({ id: 'a' })
    const got: unknown[] = []
    coordinator.on('_put', (_peer, _key, event, callback) => {
      got.push(event)
      callback()
    })
    const event = { value: 1 }
    await coordinator.put('key', event, 'ALL')
    expect([event, ...got]).toEqual([{ value: 1 }, { value: 1 }])
  })
})
