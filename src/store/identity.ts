import { pack, readCount, readText, readTuple, unpack } from '../core/codec.ts'
import { type Env, randomId } from '../core/env.ts'
import type { Position } from './store.ts'

/** How many starts a store remembers. */
const RUNS_KEPT = 50

/** How many epochs that ended without loss a store remembers. */
const FORMER_KEPT = 10

/** One start of the store. */
interface Run {
  readonly id: string
  /** The first sequence number that it may give out. */
  readonly firstSeq: number
}

/** Who a store is: its node, its epoch, and its last runs, the newest one at the end. */
export interface Identity {
  readonly nodeId: string
  readonly epoch: string
  readonly runs: readonly Run[]
  /** Epochs before this one that ended without any loss, newest first. */
  readonly formerly: readonly string[]
  /** Changes up to here count as acknowledged, since what was said of them may be lost. */
  readonly acknowledgedTo: number
}

/** The identity of a new store. */
export function newIdentity(env: Env, nodeId: string): Identity {
  return { nodeId, epoch: randomId(env), runs: [], formerly: [], acknowledgedTo: 0 }
}

/** The same store started once more. */
export function startRun(env: Env, identity: Identity, firstSeq: number): Identity {
  const runs = [...identity.runs, { id: randomId(env), firstSeq }].slice(-RUNS_KEPT)
  return { ...identity, runs }
}

/** The same node with a new history, whose old one is whole but told in other stamps. */
export function renewed(env: Env, identity: Identity, firstSeq: number): Identity {
  const { nodeId, epoch, acknowledgedTo } = identity
  const formerly = [epoch, ...identity.formerly].slice(0, FORMER_KEPT)
  return startRun(env, { ...newIdentity(env, nodeId), formerly, acknowledgedTo }, firstSeq)
}

/** The same node with a new history, because the old one was found to have been taken back. */
export function rewound(env: Env, identity: Identity, firstSeq: number): Identity {
  const { nodeId, runs } = identity
  const acknowledgedTo = runs.at(-1)!.firstSeq - 1
  return startRun(env, { ...newIdentity(env, nodeId), acknowledgedTo }, firstSeq)
}

/**
 * True if the position lies in the history of `identity`, whose newest sequence number is `seq`.
 * A peer may name only what this store once made durable: if it is not there, the store was rewound.
 */
export function inHistory(identity: Identity, seq: number, position: Position): boolean {
  const { epoch, runs } = identity
  if (position.epoch !== epoch) return false
  const at = runs.findIndex((run) => run.id === position.run)
  // Of runs too old to be kept only this is known: they ended before the oldest one kept began.
  if (at === -1) return runs.length === RUNS_KEPT && position.seq < runs[0]!.firstSeq
  const next = runs[at + 1]
  return position.seq <= (next ? next.firstSeq - 1 : seq)
}

export function packIdentity(identity: Identity): Uint8Array {
  const { nodeId, epoch, formerly, acknowledgedTo } = identity
  const runs = identity.runs.map(({ id, firstSeq }) => [id, firstSeq])
  return pack([nodeId, epoch, runs, formerly, acknowledgedTo])
}

export function unpackIdentity(bytes: Uint8Array): Identity {
  const [nodeId, epoch, runs, formerly, acknowledgedTo] = readTuple(unpack(bytes), 'identity')
  return {
    nodeId: readText(nodeId, 'node id'),
    epoch: readText(epoch, 'epoch'),
    runs: readTuple(runs, 'runs').map((run) => {
      const [id, firstSeq] = readTuple(run, 'run')
      return { id: readText(id, 'run id'), firstSeq: readCount(firstSeq, 'first sequence') }
    }),
    formerly: readTuple(formerly ?? [], 'former epochs').map((each) => readText(each, 'epoch')),
    acknowledgedTo: readCount(acknowledgedTo ?? 0, 'acknowledged sequence'),
  }
}
