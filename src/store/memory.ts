import BTreeModule from 'sorted-btree'
import {
  type Engine,
  type EngineItem,
  type EngineOp,
  type EngineRange,
  SCAN_CHUNK,
} from './engine.ts'

const BTree = BTreeModule.default

/**
 * An engine in memory, for `--memory` nodes, tests and the simulator. A B-tree whose clones share
 * their nodes: a scan reads a clone, which costs nothing until the tree is written to.
 */
export class MemoryEngine implements Engine {
  readonly durable = false
  #tree: BTreeModule.default<string, Uint8Array>

  constructor(tree = new BTree<string, Uint8Array>(undefined, compareKeys)) {
    this.#tree = tree
  }

  get(key: string): Uint8Array | undefined {
    return this.#tree.get(key)
  }

  scan(range: EngineRange): AsyncIterable<readonly EngineItem[]> {
    return chunks(this.#tree.clone(), range)
  }

  write(ops: readonly EngineOp[], shown?: () => void): Promise<void> {
    for (const { key, value } of ops) {
      if (value === undefined) this.#tree.delete(key)
      else this.#tree.set(key, value)
    }
    shown?.()
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** Another engine with the same contents, as a copied data directory would have. */
  copy(): MemoryEngine {
    return new MemoryEngine(this.#tree.clone())
  }
}

async function* chunks(
  tree: BTreeModule.default<string, Uint8Array>,
  { from, to, limit = Infinity }: EngineRange,
): AsyncIterable<readonly EngineItem[]> {
  let left = limit
  let next = from
  while (left > 0) {
    const most = Math.min(left, SCAN_CHUNK)
    // The tree stops once it has found more than it was asked for.
    const chunk = tree.getRange(next, to, false, most - 1)
    if (chunk.length > 0) yield chunk
    if (chunk.length < most) return
    left -= chunk.length
    next = `${chunk.at(-1)![0]}\0`
  }
}

function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
