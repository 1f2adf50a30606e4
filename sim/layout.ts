/** How the nodes of a cluster are linked. */
export const TOPOLOGIES = ['star', 'chain', 'mesh', 'tree', 'mixed'] as const
export type Topology = (typeof TOPOLOGIES)[number]

/** A node that another one dials. */
export interface Upward {
  readonly to: number
  /** What is shared by this link; left out: all that both offer. */
  readonly keys?: readonly string[]
}

/** What the two leaders of a mixed cluster lead. */
export const LED_KEYS: readonly (readonly string[])[] = [
  ['users/*', 'users/*/posts/*'],
  ['settings', 'log/*'],
]

/** Which others node `i` of `size` dials, its leader first. In a mesh all dial all, so both ends dial. */
export function upwards(topology: Topology, i: number, size: number): readonly Upward[] {
  const others = Array.from({ length: size }, (_, to) => ({ to })).filter(({ to }) => to !== i)
  if (topology === 'mesh') return others
  if (topology === 'mixed') return i < LED_KEYS.length ? [] : leadersOf()
  if (i === 0) return []
  if (topology === 'star') return [{ to: 0 }]
  return [{ to: topology === 'chain' ? i - 1 : (i - 1) >> 1 }]
}

/** What node `i` of the topology offers to share, unless a plan says otherwise. */
export function offered(topology: Topology, i: number): readonly string[] {
  if (topology !== 'mixed') return ['**']
  return LED_KEYS[i] ?? LED_KEYS.flat()
}

function leadersOf(): Upward[] {
  return LED_KEYS.map((keys, to) => ({ to, keys }))
}

export function urlOf(i: number): string {
  return `sim://n${i}`
}
