import { pack, readCount, readText, readTuple, unpack } from '../core/codec.ts'
import { type Env, randomId } from '../core/env.ts'
import type { Position } from './store.ts'

/** How many starts a store remembers. */
const RUNS_KEPT = 50

/** How many epochs that ended without loss a store remembers, and how many of the starts of each. */
const FORMER_KEPT = 10
const FORMER_RUNS_KEPT = 10

/** One start of the store. */
interface Run {
  readonly id: string
  /** The first sequence number that it may give out. */
  readonly firstSeq: number
}

/** An epoch that ended without any loss. */
export interface FormerEpoch {
  readonly epoch: string
  /** Its last runs and its newest sequence number; left out where that was not written down yet. */
  readonly ending?: { readonly runs: readonly Run[]; readonly seq: number } | undefined
}

/** Who a store is: its node, its epoch, and its last runs, the newest one at the end. */
export interface Identity {
  readonly nodeId: string
  readonly epoch: string
  readonly runs: readonly Run[]
  /** Epochs before this one that ended without any loss, newest first. */
  readonly formerly: readonly FormerEpoch[]
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
  const ending = { runs: identity.runs.slice(-FORMER_RUNS_KEPT), seq: firstSeq - 1 }
  const formerly = [{ epoch, ending }, ...identity.formerly].slice(0, FORMER_KEPT)
  return startRun(env, { ...newIdentity(env, nodeId), formerly, acknowledgedTo }, firstSeq)
}

/** The same node with a new history, because the old one was found to have been taken back. */
export function rewound(env: Env, identity: Identity, firstSeq: number): Identity {
  const { nodeId, runs } = identity
  const acknowledgedTo = runs.at(-1)!.firstSeq - 1
  return startRun(env, { ...newIdentity(env, nodeId), acknowledgedTo }, firstSeq)
}

/**
 * True if the position lies in the history of `identity`, whose newest sequence number is `seq`: in its epoch, or
 * in one before that ended without loss. A peer may name only what this store once made durable: if it is not
 * there, the store was rewound.
 */
export function inHistory(identity: Identity, seq: number, position: Position): boolean {
  const { epoch, runs, formerly } = identity
  if (position.epoch === epoch) return inRuns(runs, RUNS_KEPT, seq, position)
  const former = formerly.find((each) => each.epoch === position.epoch)
  if (former?.ending === undefined) return former !== undefined
  return inRuns(former.ending.runs, FORMER_RUNS_KEPT, former.ending.seq, position)
}

function inRuns(runs: readonly Run[], kept: number, seq: number, position: Position): boolean {
  const at = runs.findIndex((run) => run.id === position.run)
  // Of runs too old to be kept only this is known: they ended before the oldest one kept began.
  if (at === -1) return runs.length === kept && position.seq < runs[0]!.firstSeq
  const next = runs[at + 1]
  return position.seq <= (next ? next.firstSeq - 1 : seq)
}

/** True if the position is of a run of the present epoch that is remembered. */
export function remembersRun({ epoch, runs }: Identity, position: Position): boolean {
  return position.epoch === epoch && runs.some(({ id }) => id === position.run)
}

export function packIdentity(identity: Identity): Uint8Array {
  const { nodeId, epoch, formerly, acknowledgedTo } = identity
  const endings = formerly.map(({ ending }) =>
    ending ? [packRuns(ending.runs), ending.seq] : null,
  )
  const names = formerly.map((former) => former.epoch)
  return pack([nodeId, epoch, packRuns(identity.runs), names, acknowledgedTo, endings])
}

export function unpackIdentity(bytes: Uint8Array): Identity {
  const [nodeId, epoch, runs, names, acknowledgedTo, said] = readTuple(unpack(bytes), 'identity')
  const endings = readTuple(said ?? [], 'endings of former epochs').map(unpackEnding)
  return {
    nodeId: readText(nodeId, 'node id'),
    epoch: readText(epoch, 'epoch'),
    runs: unpackRuns(runs),
    formerly: readTuple(names ?? [], 'former epochs').map((name, i) => {
      return { epoch: readText(name, 'epoch'), ending: endings[i] }
    }),
    acknowledgedTo: readCount(acknowledgedTo ?? 0, 'acknowledged sequence'),
  }
}

function packRuns(runs: readonly Run[]): [id: string, firstSeq: number][] {
  return runs.map(({ id, firstSeq }) => [id, firstSeq])
}

function unpackRuns(runs: unknown): Run[] {
  return readTuple(runs, 'runs').map((run) => {
    const [id, firstSeq] = readTuple(run, 'run')
    return { id: readText(id, 'run id'), firstSeq: readCount(firstSeq, 'first sequence') }
  })
}

function unpackEnding(ending: unknown): FormerEpoch['ending'] {
  if (ending === null) return undefined
  const [runs, seq] = readTuple(ending, 'ending')
  return { runs: unpackRuns(runs), seq: readCount(seq, 'sequence') }
}
