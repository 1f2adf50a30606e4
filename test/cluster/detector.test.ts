import { describe, expect, test } from 'vitest'
import { Detector } from '../../src/cluster/detector.ts'
import type { DetectorEffect, ProbeOutcome } from '../../src/cluster/detector.ts'
import { newMember } from '../../src/cluster/member.ts'
import type { Member } from '../../src/cluster/member.ts'

const OPTIONS = { intervalMs: 1_000, timeoutMs: 200, concurrency: 16, maxFailures: 3 }

function members(count: number): Member[] {
  return Array.from({ length: count }, (_, index) =>
    newMember({ id: `node-${index}`, address: 'x', port: 1 }, 1),
  )
}

/** How a member answers a probe that is sent now: after how long, and what; never if undefined. */
type Behaviour = (id: string, now: number) => { tookMs: number; outcome: ProbeOutcome } | undefined

/** Plays the world around a detector: time passes in small ticks, probes are answered or not. */
class Bench {
  readonly detector: Detector
  readonly effects: (DetectorEffect & { at: number })[] = []
  now = 0
  vouch: (id: string) => boolean = () => false
  readonly #options: typeof OPTIONS
  readonly #behaviour: Behaviour
  readonly #answers: { at: number; deliver: () => void }[] = []

  constructor(watched: readonly Member[], behaviour: Behaviour, options = OPTIONS) {
    this.#options = options
    this.#behaviour = behaviour
    this.detector = new Detector(options)
    this.detector.watch(watched, 0)
  }

  /** @param stallMs the process stands still for so long before the first tick. */
  run(forMs: number, stallMs = 0): this {
    const end = this.now + forMs
    if (stallMs > 0) {
      this.now += stallMs
      this.detector.lagged(stallMs)
    }
    for (; this.now < end; this.now += 5) {
      this.#answers.sort((a, b) => a.at - b.at)
      while (this.#answers[0] && this.#answers[0].at <= this.now) this.#answers.shift()!.deliver()
      this.#carryOut(this.detector.tick(this.now))
    }
    return this
  }

  of(kind: DetectorEffect['kind'], id?: string): (DetectorEffect & { at: number })[] {
    return this.effects.filter((effect) => effect.kind === kind && (id ?? effect.id) === effect.id)
  }

  statuses(id: string): string[] {
    return this.effects.flatMap((effect) =>
      effect.kind === 'health' && effect.id === id ? [effect.status] : [],
    )
  }

  #carryOut(effects: readonly DetectorEffect[]): void {
    for (const effect of effects) {
      this.effects.push({ ...effect, at: this.now })
      const { id, incarnation } = effect
      if (effect.kind === 'ask' && this.vouch(id)) {
        this.#after(20, () => this.detector.vouched(id, incarnation))
      }
      if (effect.kind !== 'probe') continue
      const { timeoutMs } = this.#options
      const answer = this.#behaviour(id, this.now) ?? { tookMs: timeoutMs, outcome: 'missed' }
      this.#after(answer.tookMs, () =>
        this.#carryOut(this.detector.answered(id, incarnation, answer.outcome, this.now)),
      )
    }
  }

  #after(delayMs: number, deliver: () => void): void {
    this.#answers.push({ at: this.now + delayMs, deliver })
  }
}

const well: Behaviour = () => ({ tookMs: 2, outcome: 'alive' })
const down: Behaviour = () => ({ tookMs: 1, outcome: 'missed' })
const hung: Behaviour = () => undefined

describe('one member', () => {
  test('that answers is never spoken of', () => {
    const bench = new Bench(members(1), well).run(20_000)
    expect(bench.of('probe').length).toBeGreaterThanOrEqual(19)
    expect([...bench.of('health'), ...bench.of('ask')]).toEqual([])
  })

  test.each([
    ['refuses', down],
    ['hangs', hung],
  ])('that %s is suspect at once and dead within interval × max + timeout', (_, behaviour) => {
    const bench = new Bench(members(1), behaviour).run(20_000)
    expect(bench.statuses('node-0')).toEqual(['suspect', 'suspect', 'suspect', 'dead'])
    const { intervalMs, maxFailures, timeoutMs } = OPTIONS
    const died = bench.of('health').at(-1)!.at
    expect(died).toBeLessThanOrEqual(intervalMs * maxFailures + timeoutMs + 10)
  })

  test('only consecutive misses count', () => {
    let probes = 0
    const bench = new Bench(members(1), () => {
      probes++
      return { tookMs: 1, outcome: probes % 3 === 0 ? 'alive' : 'missed' }
    }).run(30_000)
    expect(new Set(bench.statuses('node-0'))).toEqual(new Set(['suspect', 'alive']))
  })

  test('that is dead and answers is alive again, with no misses counted', () => {
    const bench = new Bench(members(1), (_, now) =>
      now < 5_000 || now > 8_000
        ? { tookMs: 1, outcome: now < 5_000 ? 'missed' : 'alive' }
        : { tookMs: 1, outcome: 'missed' },
    ).run(12_000)
    expect(bench.statuses('node-0').slice(-2)).toEqual(['dead', 'alive'])
    expect(bench.of('health').at(-1)).toMatchObject({ status: 'alive', failures: 0 })
  })

  test('that is not ready lives, and is ready again when it says so', () => {
    const bench = new Bench(members(1), (_, now) => ({
      tookMs: 1,
      outcome: now > 2_000 && now < 5_000 ? 'unready' : 'alive',
    })).run(10_000)
    expect(bench.of('health')).toMatchObject([
      { status: 'alive', ready: false },
      { status: 'alive', ready: true },
    ])
  })

  test('that another monitor reaches is not dead', () => {
    const bench = new Bench(members(1), hung)
    bench.vouch = () => true
    bench.run(30_000)
    expect(bench.of('ask').length).toBeGreaterThan(3)
    expect(new Set(bench.statuses('node-0'))).toEqual(new Set(['suspect']))
    bench.vouch = () => false
    bench.run(10_000)
    expect(bench.statuses('node-0').at(-1)).toBe('dead')
  })

  test('one miss is enough if so configured, after the others had their say', () => {
    const options = { ...OPTIONS, maxFailures: 1 }
    const bench = new Bench(members(1), down, options).run(5_000)
    expect(bench.statuses('node-0')).toEqual(['suspect', 'dead'])
    expect(bench.of('ask')).toHaveLength(1)
  })

  test('that joined again starts anew: answers to the earlier one are ignored', () => {
    const bench = new Bench(members(1), hung).run(1_500)
    bench.detector.watch([{ ...members(1)[0]!, incarnation: 2 }], bench.now)
    expect(bench.detector.answered('node-0', 1, 'missed', bench.now)).toEqual([])
    bench.detector.watch([], bench.now)
    expect(bench.detector.tick(bench.now + 5_000)).toEqual([])
  })
})

describe('many members', () => {
  test('hung ones delay nobody else: a healthy one is never suspect', () => {
    const behaviour: Behaviour = (id) => (id.endsWith('7') ? undefined : well(id, 0))
    const bench = new Bench(members(420), behaviour, { ...OPTIONS, concurrency: 4 }).run(10_000)
    const accused = new Set(bench.of('health').map(({ id }) => id))
    expect([...accused].every((id) => id.endsWith('7'))).toBe(true)
    for (const { id } of members(420)) {
      expect(bench.of('probe', id).length).toBeGreaterThanOrEqual(8)
    }
  })

  test('thousands are probed once an interval each, spread over it, never in a burst', () => {
    const bench = new Bench(members(5_000), well, { ...OPTIONS, intervalMs: 5_000 }).run(15_000)
    const perTick = new Map<number, number>()
    for (const { at } of bench.of('probe')) perTick.set(at, (perTick.get(at) ?? 0) + 1)
    expect(bench.of('probe').length).toBeGreaterThanOrEqual(14_000)
    expect(bench.of('probe').length).toBeLessThanOrEqual(15_100)
    expect(Math.max(...perTick.values())).toBeLessThanOrEqual(OPTIONS.concurrency)
  })
})

describe('local health', () => {
  test('a monitor that stood still accuses nobody', () => {
    const bench = new Bench(members(20), () => ({ tookMs: 150, outcome: 'alive' })).run(3_000)
    for (let round = 0; round < 10; round++) bench.run(3_000, 2_500)
    expect(bench.of('health')).toEqual([])
    expect(bench.detector.score).toBeGreaterThan(0)
  })

  test('misses that are noticed late say nothing about the member', () => {
    // Every answer comes, but this process gets to its timers only after the deadline.
    const late: Behaviour = () => ({ tookMs: 400, outcome: 'missed' })
    const bench = new Bench(members(3), late).run(10_000)
    expect(bench.of('health')).toEqual([])
  })

  test('it stretches its probes while it is unwell, and recovers', () => {
    const bench = new Bench(members(1), well)
    for (let round = 0; round < 5; round++) bench.run(1_000, 300)
    const stretched = bench.detector.score
    expect(stretched).toBeGreaterThanOrEqual(4)
    const before = bench.of('probe').length
    bench.run(3_000)
    expect(bench.of('probe').length - before).toBeLessThanOrEqual(2)
    bench.run(10_000)
    expect(bench.detector.score).toBe(0)
  })

  test('if nearly everything fails at once, it doubts itself before it believes that', () => {
    const bench = new Bench(members(10), (_, now) => (now < 3_000 ? well('', 0) : undefined))
    bench.run(6_000)
    expect(
      bench.effects.filter((effect) => effect.kind === 'health' && effect.status === 'dead'),
    ).toEqual([])
    expect(bench.detector.score).toBeGreaterThan(0)
    bench.run(60_000)
    for (const { id } of members(10)) expect(bench.statuses(id).at(-1)).toBe('dead')
    expect(
      bench.of('health').filter((effect) => 'status' in effect && effect.status === 'dead'),
    ).toHaveLength(10)
  })

  test('a fifth of the members failing is believed at once', () => {
    const behaviour: Behaviour = (id) => (/[01]$/.test(id) ? undefined : well(id, 0))
    const bench = new Bench(members(10), behaviour).run(3_300)
    expect([bench.statuses('node-0').at(-1), bench.statuses('node-1').at(-1)]).toEqual([
      'dead',
      'dead',
    ])
  })
})
