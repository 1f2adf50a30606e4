import { messageOf, skerryError } from '../core/errors.ts'

/** Slots are dealt out in proportion to weight. */
export interface Share {
  readonly id: string
  readonly weight: number
}

/** In a table: a slot that nobody owns. */
export const NOBODY = ''

/** Rounding of floating-point quotas must not look like a gain. */
const ROUNDING = 1e-9

/**
 * Deals slots out anew with as few moves as possible: a slot whose owner stays stays with it, unless
 * somebody has too little. Slots without an owner go to whoever lacks most; a node that has none
 * yet, or less than its quota allows, takes from whoever has most; a node above
 * `quota × balanceFactor` gives. So on a join slots move only to the newcomer, on a leave only
 * from the gone one, and with at least 20 slots a node max/mean per weight is at most 1.05.
 *
 * The contract is that of Riak's claim (riak_core, claim-version4) and of Kafka's sticky assignor.
 *
 * @param owners slot → id; ids that are not in `nodes` count as gone.
 * @param nodes in any order.
 * @returns a new table; `NOBODY` everywhere if there are no nodes.
 */
export function rebalance(
  owners: readonly string[],
  nodes: readonly Share[],
  balanceFactor: number,
): string[] {
  const deal = new Deal(owners, nodes)
  if (nodes.length === 0) return owners.map(() => NOBODY)
  deal.placeOrphans()
  deal.feedPoor(balanceFactor)
  deal.trimRich(balanceFactor)
  return deal.owners
}

class Deal {
  readonly owners: string[]
  readonly #hands: readonly Hand[]
  readonly #orphans: number[] = []

  constructor(owners: readonly string[], nodes: readonly Share[]) {
    this.owners = [...owners]
    const sorted = [...nodes].sort((a, b) => (a.id < b.id ? -1 : 1))
    const weights = sorted.reduce((sum, { weight }) => sum + weight, 0)
    this.#hands = sorted.map(({ id, weight }) => new Hand(id, (owners.length * weight) / weights))
    const byId = new Map(this.#hands.map((hand) => [hand.id, hand]))
    owners.forEach((id, slot) => (byId.get(id)?.slots ?? this.#orphans).push(slot))
  }

  placeOrphans(): void {
    for (const slot of this.#orphans) this.#give(slot, poorest(this.#hands))
  }

  /** Newcomers are filled up; others only if they are short by more than the factor allows. */
  feedPoor(balanceFactor: number): void {
    const poor = this.#hands.filter(
      ({ slots, quota }) =>
        slots.length < Math.floor(quota + ROUNDING) &&
        (slots.length === 0 || slots.length * balanceFactor < quota),
    )
    if (poor.length === 0) return
    for (;;) {
      const giver = richest(this.#hands)
      const taker = poorest(poor)
      if (giver.excess - taker.excess <= 1 + ROUNDING) return
      this.#give(giver.slots.pop()!, taker)
    }
  }

  trimRich(balanceFactor: number): void {
    for (const hand of this.#hands) {
      const bound = Math.max(
        Math.ceil(hand.quota - ROUNDING),
        Math.floor(hand.quota * balanceFactor),
      )
      while (hand.slots.length > bound) this.#give(hand.slots.pop()!, poorest(this.#hands))
    }
  }

  #give(slot: number, hand: Hand): void {
    hand.slots.push(slot)
    this.owners[slot] = hand.id
  }
}

/** The slots of one node while they are dealt out. */
class Hand {
  readonly id: string
  readonly quota: number
  readonly slots: number[] = []

  constructor(id: string, quota: number) {
    this.id = id
    this.quota = quota
  }

  get excess(): number {
    return this.slots.length - this.quota
  }
}

function poorest(hands: readonly Hand[]): Hand {
  return hands.reduce((best, hand) => (hand.excess < best.excess - ROUNDING ? hand : best))
}

function richest(hands: readonly Hand[]): Hand {
  return hands.reduce((best, hand) => (hand.excess > best.excess + ROUNDING ? hand : best))
}

/** What changed between two tables of the same size. */
export interface SlotMove {
  /** `NOBODY` if the slot had no owner. */
  readonly from: string
  /** `NOBODY` if the slot is left without one. */
  readonly to: string
  /** Sorted. */
  readonly slots: readonly number[]
}

/** The moves that lead from one table to another, one for each pair of owners. */
export function movesBetween(before: readonly string[], after: readonly string[]): SlotMove[] {
  const moves = new Map<string, { from: string; to: string; slots: number[] }>()
  after.forEach((to, slot) => {
    const from = before[slot] ?? NOBODY
    if (from === to) return
    const pair = JSON.stringify([from, to])
    const move = moves.get(pair)
    if (move) move.slots.push(slot)
    else moves.set(pair, { from, to, slots: [slot] })
  })
  return [...moves.values()]
}

/** Sorted slots as text: `0-40,55`. */
export function formatSlots(slots: readonly number[]): string {
  const ranges: string[] = []
  for (let at = 0; at < slots.length; at++) {
    const first = slots[at]!
    while (slots[at + 1] === slots[at]! + 1) at++
    ranges.push(first === slots[at] ? `${first}` : `${first}-${slots[at]!}`)
  }
  return ranges.join(',')
}

/**
 * Reads what {@link formatSlots} wrote, by anyone.
 * @throws RangeError unless it is ranges that ascend, all of them below `end`
 */
export function parseSlots(text: string, end: number): number[] {
  const slots: number[] = []
  for (const range of text === '' ? [] : text.split(',')) {
    const [, first = '', last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? []
    const from = first === '' ? NaN : Number(first)
    const ascends = from > (slots.at(-1) ?? -1) && from <= Number(last) && Number(last) < end
    if (!ascends) throw new RangeError(`'${range}' is no range of slots that may stand there`)
    for (let slot = from; slot <= Number(last); slot++) slots.push(slot)
  }
  return slots
}

/** A table as text, `[["node-1","0-40,55"]]`: compact, and one value whatever its size. */
export function formatTable(owners: readonly string[]): string {
  const slots = new Map<string, number[]>()
  owners.forEach((id, slot) => {
    if (id === NOBODY) return
    const list = slots.get(id)
    if (list) list.push(slot)
    else slots.set(id, [slot])
  })
  return JSON.stringify(Array.from(slots, ([id, list]) => [id, formatSlots(list)]))
}

/**
 * Reads what {@link formatTable} wrote, by anyone.
 * @throws Error if it is no table of `slots` slots, each owned by one at most
 */
export function parseTable(text: string | null, slots: number): string[] {
  const owners = new Array<string>(slots).fill(NOBODY)
  for (const [id, ranges] of JSON.parse(text ?? '[]') as [unknown, unknown][]) {
    if (typeof id !== 'string' || typeof ranges !== 'string') throw new TypeError('no table')
    for (const slot of parseSlots(ranges, slots)) {
      if (owners[slot] !== NOBODY) throw new RangeError(`slot ${slot} is owned twice`)
      owners[slot] = id
    }
  }
  return owners
}

/** A table that was kept somewhere; where it can't be read, nobody owns anything. */
export interface KeptTable {
  readonly owners: string[]
  /** Why it can't be read. */
  readonly faults: readonly Error[]
}

/** Reads a table that was kept; one that is broken stops nobody. */
export function readKeptTable(text: string | null, slots: number): KeptTable {
  try {
    return { owners: parseTable(text, slots), faults: [] }
  } catch (error) {
    const fault = skerryError('REGISTRY_TABLE_INVALID', messageOf(error))
    return { owners: new Array<string>(slots).fill(NOBODY), faults: [fault] }
  }
}
