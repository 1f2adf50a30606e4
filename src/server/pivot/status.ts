import type { Env } from '../../core/env.ts'
import { NS_PER_MS } from '../../core/env.ts'
import { STATUS_PATH } from '../../core/path.ts'
import { State } from '../../state/state.ts'
import { LocalStore } from '../../store/local.ts'
import { MemoryEngine } from '../../store/memory.ts'
import type { PivotStatus as Status } from '../../sync/pivot/pivot.ts'

/** A moment as RFC 3339 has it; null for one that never was. */
export function timeText(nanoseconds: bigint): string | null {
  if (nanoseconds === 0n) return null
  return new Date(Number(nanoseconds / NS_PER_MS)).toISOString()
}

/** The nodes of a leader, as `GET /_pivot/health/nodes` lists them. */
export function nodesJson({ nodes }: Status): string {
  return JSON.stringify(nodes.map(nodeHealth))
}

function nodeHealth({ lastCheck, ...health }: Status['nodes'][number]) {
  return { ...health, lastCheck: timeText(lastCheck) }
}

/** What goes on by the pivot protocol, as JSON can hold it. */
export function pivotStatus({ nodes, ignoredNodes, leaders, peers }: Status) {
  return {
    nodes: nodes.map(nodeHealth),
    ignoredNodes,
    peers: peers.map(({ name, keys, since }) => ({ peer: name, keys, since: timeText(since) })),
    leaders: leaders.map(({ keys, lastError, ...leader }) => ({
      ...leader,
      lastError: lastError ?? null,
      keys: keys.map(({ lastEntry, undeliverable, ...key }) => ({
        ...key,
        lastEntry: lastEntry === undefined ? null : lastEntry.toString(),
        undeliverable: {
          count: undeliverable.count,
          named: undeliverable.named.map(({ since, ...one }) => ({
            ...one,
            since: timeText(since),
          })),
        },
      })),
    })),
  }
}

/** How often, at most, the status is shown anew. */
const SHOW_MS = 100

/**
 * Shows the status at {@link STATUS_PATH}, to read and to watch as any other path. It lies in a store of its own, in
 * memory: it is nobody's data, and shared with no other node.
 */
export class StatusBoard {
  readonly state: State
  readonly #store: LocalStore
  readonly #env: Env
  readonly #status: () => Status
  #due: (() => void) | undefined
  #closed = false

  static async open(env: Env, status: () => Status): Promise<StatusBoard> {
    const store = await LocalStore.open(new MemoryEngine(), env)
    const board = new StatusBoard(store, env, status)
    await board.#show()
    return board
  }

  /** Use {@link open}. */
  constructor(store: LocalStore, env: Env, status: () => Status) {
    this.#store = store
    this.#env = env
    this.#status = status
    this.state = new State({ store, env })
  }

  /** Something has changed: it is shown before long. */
  changed(): void {
    if (this.#closed) return
    this.#due ??= this.#env.setTimer(SHOW_MS, () => {
      this.#due = undefined
      // It fails only once the store is closed.
      this.#show().catch(() => undefined)
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#due?.()
    this.state.close()
    await this.#store.close()
  }

  async #show(): Promise<void> {
    const text = JSON.stringify(pivotStatus(this.#status()))
    await this.#store.write([
      { path: STATUS_PATH, decide: (held) => (held?.data === text ? undefined : text) },
    ])
  }
}
