/**
 * How fast is a lookup, how even the shares, how much moves? Ours beside npm `hashring` and a plain
 * ring by binary search, in one run. Absolute figures drift with the machine: look at the ratios.
 */
import HashRing from 'hashring'
import { createRing } from '../src/cluster/ring.ts'
import { murmur3 } from '../src/cluster/ring/hash.ts'
import type { Ring } from '../src/cluster/ring/ring.ts'

const NODES = 100
const KEYS = 1_000_000
const ROUNDS = 5

const ids = Array.from({ length: NODES }, (_, index) => `node-${index}`)
const keys = Array.from({ length: KEYS }, (_, index) => `users/${index}/profile`)

interface Contender {
  name: string
  getNode: (key: string) => string | undefined
  add: (id: string) => void
  /** Keys looked up in a round: fewer of the slow ones. */
  lookups: number
}

/** The ring as anyone would write it: sorted points, binary search, the same hash as ours. */
class PlainRing {
  #points: { point: number; id: string }[] = []

  add(id: string): void {
    for (let index = 0; index < 128; index++) {
      this.#points.push({ point: murmur3(`${id}:${index}`), id })
    }
    this.#points.sort((a, b) => a.point - b.point)
  }

  getNode(key: string): string {
    const hash = murmur3(key)
    let low = 0
    let high = this.#points.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#points[middle]!.point < hash) low = middle + 1
      else high = middle
    }
    return this.#points[low === this.#points.length ? 0 : low]!.id
  }
}

function ours(algorithm: 'slots' | 'maglev' | 'crc32' | 'ketama' | 'rendezvous'): Contender {
  const ring: Ring = createRing({ algorithm })
  const slow = algorithm === 'ketama' || algorithm === 'rendezvous'
  return {
    name: `ours, ${algorithm}`,
    getNode: (key) => ring.getNode(key),
    add: (id) => ring.add({ id }),
    lookups: slow ? KEYS / 5 : KEYS,
  }
}

function contenders(): Contender[] {
  const plain = new PlainRing()
  const hashring = new HashRing([], 'md5', { 'max cache size': 1 })
  return [
    {
      name: 'plain ring, binary search',
      getNode: (key) => plain.getNode(key),
      add: (id) => plain.add(id),
      lookups: KEYS,
    },
    {
      name: 'npm hashring 3.2',
      getNode: (key) => hashring.get(key),
      add: (id) => void hashring.add(id),
      lookups: KEYS / 10,
    },
    ...(['slots', 'maglev', 'crc32', 'rendezvous', 'ketama'] as const).map(ours),
  ]
}

function nanosecondsPerLookup({ getNode, lookups }: Contender): number {
  let best = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now()
    for (let at = 0; at < lookups; at++) getNode(keys[at]!)
    best = Math.min(best, ((performance.now() - began) * 1e6) / lookups)
  }
  return best
}

function balance(owners: readonly (string | undefined)[]): number {
  const counts = new Map<string | undefined, number>()
  for (const id of owners) counts.set(id, (counts.get(id) ?? 0) + 1)
  return (Math.max(...counts.values()) * NODES) / owners.length
}

console.log(`${NODES} nodes, ${KEYS} keys, best of ${ROUNDS} rounds`)
let plainNs = 0
for (const contender of contenders()) {
  ids.forEach((id) => contender.add(id))
  const ns = nanosecondsPerLookup(contender)
  plainNs ||= ns
  const before = keys.slice(0, contender.lookups).map((key) => contender.getNode(key))
  contender.add('newcomer')
  const after = keys.slice(0, contender.lookups).map((key) => contender.getNode(key))
  const moved = after.filter((id, at) => id !== before[at])
  const astray = moved.filter((id) => id !== 'newcomer')
  const percent = (count: number) => `${((count * 100) / before.length).toFixed(2)} %`
  console.log(
    [
      contender.name.padEnd(26),
      `${ns.toFixed(0).padStart(5)} ns`,
      `${(1e3 / ns).toFixed(2).padStart(6)} M/s`,
      `${(plainNs / ns).toFixed(2).padStart(5)} × plain`,
      `max/mean ${balance(before).toFixed(3)}`,
      `moved on join ${percent(moved.length)} (ideal ${((1 / (NODES + 1)) * 100).toFixed(2)} %)`,
      `between old nodes ${percent(astray.length)}`,
    ].join('  '),
  )
}
