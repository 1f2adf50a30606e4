/** How the nodes of a cluster are linked. */
export const TOPOLOGIES = ['star', 'chain', 'mesh', 'tree'] as const
export type Topology = (typeof TOPOLOGIES)[number]

/** Which others node `i` of `size` dials, its leader first. In a mesh all dial all, so both ends dial. */
export function upwards(topology: Topology, i: number, size: number): readonly number[] {
  if (topology === 'mesh') {
    return Array.from({ length: size }, (_, to) => to).filter((to) => to !== i)
  }
  if (i === 0) return []
  if (topology === 'star') return [0]
  return [topology === 'chain' ? i - 1 : (i - 1) >> 1]
}

export function urlOf(i: number): string {
  return `sim://n${i}`
}
