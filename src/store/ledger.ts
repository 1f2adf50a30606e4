import { pack, readCount, readText, readTuple, unpack } from '../core/codec.ts'
import { matches } from '../core/path.ts'
import type { Engine, EngineOp } from './engine.ts'
import { acknowledgementKey, checkpointKey, peerAndKey, prefixRange } from './layout.ts'
import { type Acknowledgement, type Checkpoint, type Heard, type Position, SEEN } from './store.ts'

/** What a ledger does with a group of its store. */
interface LedgerGroup {
  readonly epoch: string
  keep(op: EngineOp): void
  afterwards(action: () => void): void
}

/** What this store has of its peers, and they of it: checkpoints and acknowledgements, in memory. */
export class Ledger {
  readonly #checkpoints = new Map<string, Position>()
  readonly #acknowledged = new Map<string, Acknowledgement>()
  /** What peers have said in this run, by peer and key: it is kept only every few seconds. */
  readonly #heard = new Map<string, Heard>()
  /** Changes up to here count as acknowledged. */
  #floor: number

  constructor(floor: number) {
    this.#floor = floor
  }

  /** @param floor changes up to here count as acknowledged */
  static async load(engine: Pick<Engine, 'scan'>, floor: number): Promise<Ledger> {
    const ledger = new Ledger(floor)
    for await (const chunk of engine.scan(prefixRange('c'))) {
      for (const [key, value] of chunk) ledger.#checkpoints.set(key, unpackPosition(value))
    }
    for await (const chunk of engine.scan(prefixRange('k'))) {
      for (const [key, value] of chunk) {
        ledger.#acknowledged.set(key, unpackAcknowledgement(key, value))
      }
    }
    return ledger
  }

  checkpoint(peer: string, key: string): Position | undefined {
    return this.#checkpoints.get(checkpointKey(peer, key))
  }

  acknowledged(peer: string, key: string): Acknowledgement | undefined {
    return this.#acknowledged.get(acknowledgementKey(peer, key))
  }

  /** True if any peer, in whatever epoch, acknowledged the change of that number at the path. */
  wasAcknowledged(path: string, seq: number): boolean {
    if (seq <= this.#floor) return true
    for (const { key, ever } of this.#acknowledged.values()) {
      if (ever >= seq && matches(key, path)) return true
    }
    for (const { key, after, upTo } of this.#heard.values()) {
      if (seq > after && seq <= upTo && matches(key, path)) return true
    }
    return false
  }

  /** Has what a peer said count at once, kept or not. */
  hear(heard: Heard): void {
    const ledgerKey = acknowledgementKey(heard.peer, heard.key)
    const before = this.#heard.get(ledgerKey)
    // What an earlier link heard was kept as it ended.
    const apart = before === undefined || heard.after > before.upTo
    const after = apart ? heard.after : Math.min(heard.after, before.after)
    const upTo = apart ? heard.upTo : Math.max(heard.upTo, before.upTo)
    this.#heard.set(ledgerKey, { ...heard, after, upTo })
  }

  /** Has all changes up to `seq` count as acknowledged. */
  raiseFloor(seq: number): void {
    this.#floor = seq
  }

  /** Keeps checkpoints in the step of the group, unless a new history has begun since they were made. */
  keepCheckpoints(group: LedgerGroup, checkpoints: readonly Checkpoint[]): void {
    const kept = checkpoints.filter(({ ownEpoch }) => ownEpoch === group.epoch)
    for (const checkpoint of kept) group.keep(checkpointOp(checkpoint))
    group.afterwards(() => this.setCheckpoints(kept))
  }

  /** Takes checkpoints over, once the ops for them are durable. */
  setCheckpoints(checkpoints: readonly Checkpoint[]): void {
    for (const { peer, key, position } of checkpoints) {
      this.#checkpoints.set(checkpointKey(peer, key), position)
    }
  }

  setAcknowledgements(acknowledgements: readonly Acknowledgement[]): void {
    for (const said of acknowledgements) {
      this.#acknowledged.set(acknowledgementKey(said.peer, said.key), this.#atLeast(said))
    }
  }

  acknowledgementOp(said: Acknowledgement): EngineOp {
    const { peer, key, epoch, seq, ever, ownEpoch } = this.#atLeast(said)
    return { key: acknowledgementKey(peer, key), value: pack([epoch, seq, ever, ownEpoch]) }
  }

  /** What was ever acknowledged stays so, whatever happens to the peer. */
  #atLeast(said: Acknowledgement): Acknowledgement {
    const before = this.#acknowledged.get(acknowledgementKey(said.peer, said.key))
    return { ...said, ever: Math.max(said.seq, said.ever, before?.ever ?? 0) }
  }

  /** The keys under which the engine holds checkpoints that end with this store's epoch. */
  checkpointKeys(): string[] {
    return [...this.#checkpoints.keys()].filter(endsWithEpoch)
  }

  /** Forgets the checkpoints that end with this store's epoch. */
  clearCheckpoints(): void {
    for (const key of this.checkpointKeys()) this.#checkpoints.delete(key)
  }
}

/** True of the engine's key of a checkpoint that covers something. */
export function endsWithEpoch(key: string): boolean {
  return peerAndKey(key)[1] !== SEEN
}

export function checkpointOp({ peer, key, position }: Checkpoint): EngineOp {
  const { epoch, run, seq } = position
  return { key: checkpointKey(peer, key), value: pack([epoch, run, seq]) }
}

function unpackAcknowledgement(ledgerKey: string, bytes: Uint8Array): Acknowledgement {
  const [peer, key] = peerAndKey(ledgerKey)
  const [epoch, seq, ever, own] = readTuple(unpack(bytes), 'acknowledgement')
  return {
    peer,
    key,
    epoch: readText(epoch, 'epoch'),
    seq: readCount(seq, 'sequence'),
    ever: readCount(ever, 'sequence'),
    // Stores of before did not write it down.
    ownEpoch: own === undefined ? '' : readText(own, 'epoch'),
  }
}

function unpackPosition(bytes: Uint8Array): Position {
  const [epoch, run, seq] = readTuple(unpack(bytes), 'position')
  return {
    epoch: readText(epoch, 'epoch'),
    run: readText(run, 'run'),
    seq: readCount(seq, 'sequence'),
  }
}
