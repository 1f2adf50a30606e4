import { describe, expect, test } from 'vitest'
import { VirtualEnv } from '../../sim/events/env.ts'
import { quorum, requirements, type CommitLevel } from '../../src/events/commit.ts'
import { Coordinator } from '../../src/events/coordinator.ts'
import type { PeerLocation } from '../../src/events/peers.ts'
import { place } from '../../src/events/placement.ts'
import { PeerBook } from '../../src/events/peers.ts'
import type { Answer } from '../../src/events/storage.ts'
import type { Outcome } from '../../src/events/attempt.ts'
import { Write, type PutResult, type WriteHost } from '../../src/events/write.ts'
import { skerryError, SkerryError } from '../../src/core/errors.ts'

/** How a node answers: `late` after it was given up, `twice` and `torn` more often than it should. */
const BEHAVIOURS = ['ok', 'failing', 'silent', 'late', 'twice', 'torn'] as const
type Behaviour = (typeof BEHAVIOURS)[number]

/** Whether the first answer of a node says that it has the event. */
const stores = (how: Behaviour) =>
  how === 'ok' || how === 'late' || how === 'twice' || how === 'torn'

interface Setting {
  readonly level: CommitLevel
  readonly replicationFactor: number
  /** By node; the first one is the local one. */
  readonly behaviours: readonly Behaviour[]
  readonly locations?: readonly PeerLocation[]
}

/** Whether enough nodes have the event in the own region, or in each that was to get it. */
function isKept(setting: ReturnType<typeof prepare>, had: readonly string[]): boolean {
  const { level, plan } = setting
  const regions = new Set(plan.intended.map(({ region }) => region))
  return [...regions].every((region) => {
    if (region !== undefined && level === 'LOCAL_QUORUM') return true
    const placed = plan.intended.filter((node) => node.region === region)
    const nodes = [...plan.intended, ...plan.spares].filter((node) => node.region === region)
    return nodes.filter(({ id }) => had.includes(id)).length >= quorum(placed.length)
  })
}

interface Run {
  readonly verdict: 'acknowledged' | 'failed' | 'timeout'
  readonly had: readonly string[]
  readonly outcomes: ReadonlyMap<string, Outcome>
}

/** A setting with what is the same in all its runs. */
function prepare(setting: Setting) {
  const { level, replicationFactor } = setting
  const book = new PeerBook()
  setting.behaviours.slice(1).forEach((_how, index) => {
    book.add({ id: `n${index + 1}` }, setting.locations?.[index])
  })
  const local = { id: 'n0', zone: undefined, region: undefined, available: true } as const
  const strategy = { otherZoneReplicas: 1, otherRegionReplicas: 1 }
  const placement = place('key', book.list, replicationFactor - 1, strategy)
  const needs = requirements(level, [local, ...placement.replicas], replicationFactor)
  const { replicas, spares } = placement
  const intended = [local, ...replicas] as const
  const plan = { intended, spares, requirements: needs, replicationFactor, isPossible: true }
  return { ...setting, plan }
}

const nothing = () => {}

/**
 * Runs one put in which the nodes answer in a given order, and those that are late do so after
 * everybody silent was given up.
 */
function run(prepared: ReturnType<typeof prepare>, order: readonly number[]): Run {
  const asked = new Map<number, Answer>()
  let outcome: PutResult | SkerryError | undefined
  const done = (given: unknown) => {
    if (outcome) throw new Error('decided twice')
    outcome = given as PutResult | SkerryError
  }
  let nowMs = 0
  const host: WriteHost = {
    nowMs: () => nowMs,
    send: (_write, attempt) => {
      const index = Number(attempt.node.id.slice(1))
      if (asked.has(index)) throw new Error(`${attempt.node.id} was asked twice`)
      asked.set(index, (error) => attempt.answer(error))
    },
    ...{ missed: nothing, late: nothing, conflict: nothing, decided: nothing, finished: nothing },
  }
  const replica = { key: 'key', text: '1' }
  const request = { replica, level: prepared.level, resolve: done, reject: done }
  const write = new Write(request, prepared.plan, host)
  const answered = new Set<number>()
  const answerAll = (isLate: boolean) => {
    for (let at = 0; at < order.length; at++) {
      const node = order[at] as number
      const how = prepared.behaviours[node] as Behaviour
      const answer = asked.get(node)
      if (!answer || answered.has(node) || how === 'silent' || (how === 'late') !== isLate) continue
      answered.add(node)
      answer(how === 'failing' ? NO : undefined)
      if (how === 'twice') answer()
      if (how === 'torn') answer(NO)
      at = -1 // a failure may have brought in another node, which answers in its turn
    }
  }
  answerAll(false)
  // Whoever stands in for a silent node may be silent too; no node is asked twice.
  for (let round = 0; round < prepared.behaviours.length; round++) {
    write.giveUp(nowMs++)
    answerAll(false)
  }
  answerAll(true)
  if (!outcome) write.expire()
  const had = outcome instanceof SkerryError ? write.replicas : (outcome?.replicas ?? [])
  return { verdict: verdictOf(outcome), had, outcomes: write.outcomes }
}

const NO = new Error('no')

/** One run of a setting in every order; nothing but the verdict wanted may come out. */
function check(setting: Setting, orders: readonly (readonly number[])[], wanted?: Run['verdict']) {
  const prepared = prepare(setting)
  const verdicts = new Set(wanted ? [wanted] : [])
  for (const order of distinct(orders, setting.behaviours)) {
    const { verdict, had } = run(prepared, order)
    verdicts.add(verdict)
    if (verdict === 'acknowledged' && setting.level.endsWith('_QUORUM') && !isKept(prepared, had)) {
      throw new Error(`${setting.level} with ${had.join()} of ${setting.behaviours.join()}`)
    }
    if (verdicts.size > 1 || new Set(had).size < had.length) {
      throw new Error(`${setting.behaviours.join()} ${order.join()}: ${verdict}, ${had.join()}`)
    }
  }
}

function verdictOf(outcome: PutResult | SkerryError | undefined): Run['verdict'] {
  if (outcome instanceof SkerryError) {
    return outcome.code === 'SKERRY_EVENTS_TIMEOUT' ? 'timeout' : 'failed'
  }
  return 'acknowledged'
}

/** What the verdict has to be, said without any order: by counting. */
function expected({ level, replicationFactor, behaviours }: Setting): Run['verdict'] {
  const counted = level === 'ONE' ? behaviours.slice(0, 1) : behaviours
  const needed =
    level === 'ONE' ? 1 : level === 'ALL' ? replicationFactor : quorum(replicationFactor)
  const has = counted.filter(stores).length
  const silent = counted.filter((how) => how === 'silent').length
  if (has >= needed) return 'acknowledged'
  return has + silent < needed ? 'failed' : 'timeout'
}

function permutations(items: readonly number[]): number[][] {
  if (items.length < 2) return [[...items]]
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  )
}

const distinctOrders = new Map<string, readonly (readonly number[])[]>()

/** The orders without those that come to the same: who is late answers after all others anyway. */
function distinct(orders: readonly (readonly number[])[], behaviours: readonly Behaviour[]) {
  const phases = behaviours
    .map((how) => ({ silent: '-', late: 'l' })[how as string] ?? 'e')
    .join('')
  const known = distinctOrders.get(phases)
  if (known) return known
  const inPhase = (order: readonly number[], phase: string) =>
    order.filter((node) => phases[node] === phase).join('')
  const seen = new Map(
    orders.map((order) => [`${inPhase(order, 'e')}|${inPhase(order, 'l')}`, order]),
  )
  distinctOrders.set(phases, [...seen.values()])
  return [...seen.values()]
}

function* assignments(nodes: number, among: readonly Behaviour[]): Generator<Behaviour[]> {
  if (nodes === 0) yield []
  else
    for (const rest of assignments(nodes - 1, among)) for (const how of among) yield [how, ...rest]
}

const SIZES = [
  [1, 1],
  [2, 2],
  [3, 3],
  [4, 3],
  [4, 4],
] as const

describe('the verdict depends on the set of outcomes, never on their order', () => {
  for (const level of ['ONE', 'QUORUM', 'ALL'] as const) {
    for (const [nodes, replicationFactor] of SIZES) {
      test(`${level}, ${replicationFactor} replicas on ${nodes} nodes, all interleavings`, () => {
        const orders = permutations([...Array(nodes).keys()])
        for (const behaviours of assignments(nodes, BEHAVIOURS)) {
          const setting = { level, replicationFactor, behaviours }
          check(setting, orders, expected(setting))
        }
      })
    }

    test(`${level}, 5 replicas on 5 nodes, all interleavings`, () => {
      const orders = permutations([0, 1, 2, 3, 4])
      for (const behaviours of assignments(5, ['ok', 'failing', 'silent', 'late', 'twice'])) {
        // All five are replicas, so renaming the peers gives the same runs: one naming will do.
        const peers = behaviours.slice(1)
        if (peers.join() !== peers.sort().join()) continue
        const setting = { level, replicationFactor: 5, behaviours }
        check(setting, orders, expected(setting))
      }
    })
  }

  for (const level of ['LOCAL_QUORUM', 'EACH_QUORUM'] as const) {
    test(`${level}, 4 replicas on 5 nodes in 2 regions with a spare, all interleavings`, () => {
      const locations = [{}, { zone: 'a' }, { region: 'x' }, { region: 'x' }]
      const orders = permutations([0, 1, 2, 3, 4])
      for (const behaviours of assignments(5, ['ok', 'failing', 'silent', 'late', 'twice'])) {
        check({ level, replicationFactor: 4, behaviours, locations }, orders)
      }
    })
  }
})

test('an acknowledgement names the nodes that have the event, never fewer than the level asks', () => {
  for (const behaviours of assignments(4, ['ok', 'failing', 'late'])) {
    const prepared = prepare({ level: 'QUORUM', replicationFactor: 3, behaviours })
    const { verdict, had, outcomes } = run(prepared, [3, 2, 1, 0])
    if (verdict !== 'acknowledged') continue
    expect(had.length).toBeGreaterThanOrEqual(2)
    for (const id of had) expect(outcomes.get(id)).toBe('ok')
  }
})

test('a node that holds another event is not replaced, so the put is refused without waiting', async () => {
  const coordinator = new Coordinator(
    { put: (_key, _event, callback) => callback() },
    { env: new VirtualEnv(), replicationFactor: 3 },
  )
  for (const id of ['a', 'b', 'c', 'd']) coordinator.addPeer({ id })
  const asked: string[] = []
  coordinator.on('_put', (peer, _key, _event, callback) => {
    asked.push(peer.id)
    callback(skerryError('EVENTS_CONFLICT', 'key'))
  })
  const contradicted: string[] = []
  coordinator.on('conflict', (_key, [, node = '']) => contradicted.push(node))
  await expect(coordinator.put('key', {})).rejects.toMatchObject({ code: 'SKERRY_EVENTS_FAILED' })
  expect(asked).toHaveLength(2)
  expect(contradicted).toEqual(asked)
  await coordinator.close()
})

test('EACH_QUORUM waits for a majority in every region, LOCAL_QUORUM only for its own', async () => {
  const verdicts: string[] = []
  for (const level of ['LOCAL_QUORUM', 'EACH_QUORUM'] as const) {
    const env = new VirtualEnv()
    const strategy = { otherZoneReplicas: 0, otherRegionReplicas: 1 }
    const coordinator = new Coordinator(
      { put: (_key, _event, callback) => callback() },
      { env, replicationFactor: 3, replicationStrategy: strategy },
    )
    coordinator.addPeer({ id: 'near' })
    coordinator.addPeer({ id: 'far' }, { region: 'x' })
    coordinator.on('_put', (peer, _key, _event, callback) => {
      if (peer.id === 'near') callback()
      else callback(new Error('no'))
    })
    verdicts.push(
      await coordinator.put('key', {}, level).then(
        () => 'ok',
        (error: SkerryError) => error.code,
      ),
    )
    await coordinator.close()
  }
  expect(verdicts).toEqual(['ok', 'SKERRY_EVENTS_FAILED'])
})
