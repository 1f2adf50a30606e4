import { matches } from '../core/path.ts'
import type { Store } from '../store/store.ts'
import type { CommitGroup } from './commits.ts'
import type { KnownPeers } from './known.ts'

/** Which nodes count for a write: this one, the known peers that share its path, and addresses never reached. */
export class CommitNodes {
  readonly #always: readonly string[]
  readonly #sharing: KnownPeers['sharing']

  /** @param unreached addresses to link with that may share anything */
  constructor(
    { durable, nodeId }: Pick<Store, 'durable' | 'nodeId'>,
    known: Pick<KnownPeers, 'sharing'>,
    unreached: readonly string[],
  ) {
    this.#always = durable ? [nodeId, ...unreached] : unreached
    this.#sharing = known.sharing
  }

  /** The changes of a write, those together whose paths the same nodes share. */
  groups(changes: ReadonlyMap<string, number>): CommitGroup[] {
    const groups = new Map<string, { nodes: readonly string[]; changes: Map<string, number> }>()
    for (const [path, seq] of changes) {
      const nodes = this.#nodesOf(path)
      const name = nodes.join('\n')
      const group = groups.get(name)
      if (group === undefined) groups.set(name, { nodes, changes: new Map([[path, seq]]) })
      else group.changes.set(path, seq)
    }
    return [...groups.values()]
  }

  #nodesOf(path: string): string[] {
    const sharing = this.#sharing.filter(({ keys }) => keys.some((key) => matches(key, path)))
    return [...this.#always, ...sharing.map(({ nodeId }) => nodeId)]
  }
}
