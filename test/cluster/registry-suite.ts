import { beforeEach, describe, expect, test } from 'vitest'
import { newMember } from '../../src/cluster/member.ts'
import type { Notice, Proposal, Registry } from '../../src/cluster/registry.ts'
import { until } from '../redis-server.ts'

const SLOTS = 16

/** A registry to test, empty and not opened. */
export interface Opened {
  registry: Registry
  /** A second one to the same data, as another process has it; undefined if there can be none. */
  other: Registry | undefined
}

const a = newMember({ id: 'a', address: '10.0.0.1', port: 80 }, 1)
const b = newMember({ id: 'b:{é}\n', address: '10.0.0.2', port: 80, meta: { rack: 1 } }, 1)

const owners = (id: string) => new Array<string>(SLOTS).fill(id)
const everySlot = Array.from({ length: SLOTS }, (_, slot) => slot)

function joining(member: typeof a, base: number, from = ''): Proposal {
  const moves = [{ from, to: member.id, slots: everySlot }]
  return { base, members: [member], left: [], moves, owners: owners(member.id) }
}

/** What every registry must do. */
export function registrySuite(name: string, open: () => Promise<Opened>): void {
  describe(`registry: ${name}`, () => {
    let registry: Registry
    let other: Registry | undefined

    /** Leads, and ends the recovery that a registry of many processes begins with. */
    const lead = async (): Promise<number> => {
      const { leadership, run } = await registry.head()
      const term = (await registry.campaign('m1', leadership))!
      await registry.endRecovery(term, run)
      return term
    }

    beforeEach(async () => {
      ;({ registry, other } = await open())
      await registry.open(SLOTS)
    })

    test('begins empty', async () => {
      expect(await registry.head()).toMatchObject({
        version: 0,
        leadership: { monitor: '', term: 0, beat: 0 },
      })
      const { members, owners: table, faults } = await registry.read()
      expect({ members, table, faults }).toEqual({ members: [], table: owners(''), faults: [] })
    })

    test('a commit is one step: members, table, version and log', async () => {
      expect(await registry.commit(joining(a, 0))).toBe('done')
      expect(await registry.commit(joining(b, 1, 'a'))).toBe('done')
      const { run, version, members, owners: table } = await registry.read()
      expect({ version, table }).toEqual({ version: 2, table: owners(b.id) })
      expect(new Map(members.map((member) => [member.id, member]))).toEqual(
        new Map([
          [a.id, a],
          [b.id, b],
        ]),
      )
      const changes = await registry.changesAfter(run, 0)
      expect(changes).toMatchObject([
        { version: 1, members: [a], left: [], moves: [{ from: '', to: 'a', slots: everySlot }] },
        { version: 2, members: [b], moves: [{ from: 'a', to: b.id }] },
      ])
      expect(await registry.changesAfter(run, 1)).toHaveLength(1)
      expect(await registry.changesAfter(run, 2)).toEqual([])
      expect(await registry.changesAfter('another run', 1)).toBeUndefined()
      expect(await registry.changesAfter(run, 3)).toBeUndefined()
    })

    test('a commit from an old version changes nothing', async () => {
      await registry.commit(joining(a, 0))
      expect(await registry.commit(joining(b, 0))).toBe('stale')
      expect((await registry.read()).members).toEqual([a])
    })

    test('a commit removes members', async () => {
      await registry.commit(joining(a, 0))
      const moves = [{ from: 'a', to: '', slots: everySlot }]
      await registry.commit({ base: 1, members: [], left: ['a'], moves, owners: owners('') })
      expect(await registry.read()).toMatchObject({ members: [], owners: owners('') })
    })

    test('one of several campaigns wins, and a deposed leader can do nothing', async () => {
      const { leadership } = await registry.head()
      const terms = await Promise.all(
        ['m1', 'm2', 'm3'].map((id) => registry.campaign(id, leadership)),
      )
      expect(terms.filter((term) => term !== undefined)).toEqual([1])
      expect(await registry.lead(1)).toBe(true)
      const led = (await registry.head()).leadership
      expect(led.beat).toBe(1)
      expect(await registry.campaign('m2', { ...led, beat: 0 })).toBeUndefined()
      expect(await registry.campaign('m2', led)).toBe(2)
      expect(await registry.lead(1)).toBe(false)
      expect(await registry.commit({ ...joining(a, 0), term: 1 })).toBe('deposed')
      expect(await registry.commit({ ...joining(a, 0), term: 2 })).toBe('done')
      await registry.resign(1)
      expect((await registry.head()).leadership.monitor).toBe('m2')
      await registry.resign(2)
      expect((await registry.head()).leadership).toMatchObject({ monitor: '', term: 2 })
      expect(await registry.lead(2)).toBe(false)
    })

    test('keys are sets by slot, of any strings', async () => {
      const odd = ['', 'a b', 'é\u0000\n', '{x}:*', '🏝️']
      const keys = new Map([
        [0, odd],
        [3, ['z']],
      ])
      expect(await registry.addKeys(keys)).toBe(6)
      expect(await registry.addKeys(new Map([[0, ['', 'new']]]))).toBe(1)
      const found = await registry.keysIn([0, 1, 3])
      expect(new Set(found.get(0))).toEqual(new Set([...odd, 'new']))
      expect(found.get(1) ?? []).toEqual([])
      expect(found.get(3)).toEqual(['z'])
      expect(await registry.removeKeys(new Map([[3, ['z', 'unknown']]]))).toBe(1)
      expect((await registry.keysIn([3])).get(3) ?? []).toEqual([])
    })

    test('a slot is granted to one session, with growing epochs', async () => {
      const term = await lead()
      await registry.commit(joining(a, 0))
      await registry.openSession('s1', 'a')
      await registry.openSession('s2', b.id)
      const first = await registry.claim('s1', 1, [1, 2])
      expect(first).toMatchObject({ granted: [{ slot: 1 }, { slot: 2 }] })
      expect(await registry.claim('s2', 1, [1, 2])).toEqual({ granted: [] })
      expect(await registry.rights()).toEqual(
        new Map([
          [1, 's1'],
          [2, 's1'],
        ]),
      )
      await registry.release('s2', 1, [1])
      expect(await registry.release('s1', 0, [1])).toBe(false)
      expect(await registry.release('s1', 1, [1])).toBe(true)
      const second = await registry.claim('s2', 1, [1, 2])
      if (typeof first === 'string' || typeof second === 'string') throw new Error('not granted')
      expect(second.granted.map(({ slot }) => slot)).toEqual([1])
      const highest = Math.max(...first.granted.map(({ epoch }) => epoch))
      expect(second.granted[0]!.epoch).toBeGreaterThan(highest)
      expect(await registry.sessions()).toHaveLength(2)
      await registry.closeSession('s1')
      expect(await registry.claim('s2', 1, [2])).toMatchObject({ granted: [{ slot: 2 }] })
      expect(await registry.claim('s1', 1, [2])).toBe('unknown')
      expect(term).toBe(1)
    })

    test('nobody claims by a table that has changed', async () => {
      await lead()
      await registry.commit(joining(a, 0))
      await registry.commit(joining(b, 1, 'a'))
      await registry.openSession('s1', 'a')
      expect(await registry.claim('s1', 1, [1])).toBe('stale')
      const suspect = { ...a, status: 'suspect' as const }
      const health = { base: 2, members: [suspect], left: [], moves: [], owners: owners(b.id) }
      await registry.commit(health)
      // Only a change of the table makes an older version stale.
      expect(await registry.claim('s1', 2, [1])).toMatchObject({ granted: [{ slot: 1 }] })
    })

    test('a session is fenced only if its beat stood still, and by the leader', async () => {
      const term = await lead()
      await registry.openSession('s1', 'a')
      expect(await registry.beatSession('s1')).toBe('held')
      expect(await registry.sessions()).toEqual([{ session: 's1', worker: 'a', beat: 1 }])
      expect(await registry.fence(term, { session: 's1', worker: 'a', beat: 0 })).toBe(false)
      expect(await registry.fence(term - 1, { session: 's1', worker: 'a', beat: 1 })).toBe(false)
      expect(await registry.fence(term, { session: 's1', worker: 'a', beat: 1 })).toBe(true)
      expect(await registry.beatSession('s1')).toBe('unknown')
      expect(await registry.reassert({ session: 's1', worker: 'a' }, [])).toBe('closed')
    })

    test('notices reach whoever subscribed', async () => {
      const heard: Notice[] = []
      const stop = (other ?? registry).subscribe((notice) => heard.push(notice))
      if (other) await other.open(SLOTS)
      await registry.publish({ type: 'ask', id: 'a', incarnation: 2 })
      await until(() => heard.length === 1)
      stop()
      await registry.publish({ type: 'changed' })
      await registry.head()
      expect(heard).toEqual([{ type: 'ask', id: 'a', incarnation: 2 }])
      await other?.close()
    })

    test('processes must agree on the number of slots', async () => {
      await expect((other ?? registry).open(SLOTS + 1)).rejects.toMatchObject({
        code: 'SKERRY_CLUSTER_MISMATCH',
      })
      await other?.close()
    })

    test('a million bytes of members and a thousand of them are no matter', async () => {
      const many = Array.from({ length: 1_500 }, (_, index) =>
        newMember({ id: `node-${index}`, address: 'x', port: 1, meta: 'm'.repeat(700) }, 1),
      )
      await registry.commit({ base: 0, members: many, left: [], moves: [], owners: owners('') })
      expect((await registry.read()).members).toHaveLength(1_500)
    })
  })
}
