import type { Env } from '../../core/env.ts'
import { NS_PER_MS } from '../../core/env.ts'
import { STATUS_PATH } from '../../core/path.ts'
import { State } from '../../state/state.ts'
import { LocalStore } from '../../store/local.ts'
import { MemoryEngine } from '../../store/memory.ts'
import type { PivotStatus as Status } from '../../sync/pivot/pivot.ts'
import type { SyncStatus } from '../../sync/status.ts'

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
    leaders: leaders.map(({ keys, lastError, lastCheck, ...leader }) => ({
      ...leader,
      lastCheck: timeText(lastCheck),
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

/** The most keys that the board names of one peer that links natively. */
const MAX_SHOWN_LAGS = 100

/** A peer that links natively, as the board shows it: with what it lacks. */
function linkedPeer({ peer, linked, forgotten, lag }: SyncStatus['peers'][number]) {
  if (forgotten) return []
  const behind = lag.filter(({ entries, more }) => entries > 0 || more)
  return [{ peer, linked, lag: behind.slice(0, MAX_SHOWN_LAGS) }]
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
  #peers: () => SyncStatus['peers'] = () => []
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

  /** Shows besides how peers are that link natively. */
  followLinks(peers: () => SyncStatus['peers']): void {
    this.#peers = peers
    this.changed()
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
    const linkedPeers = this.#peers().flatMap(linkedPeer)
    const text = JSON.stringify({ ...pivotStatus(this.#status()), linkedPeers })
    await this.#store.write([
      { path: STATUS_PATH, decide: (held) => (held?.data === text ? undefined : text) },
    ])
  }
}
