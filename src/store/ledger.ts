import { pack, readCount, readText, readTuple, unpack } from '../core/codec.ts'
import { matches } from '../core/path.ts'
import type { Engine, EngineOp } from './engine.ts'
import { acknowledgementKey, checkpointKey, peerAndKey, prefixRange } from './layout.ts'
import type { Acknowledgement, Checkpoint, Position } from './store.ts'

/** What this store has of its peers, and they of it: checkpoints and acknowledgements, in memory. */
export class Ledger {
  readonly #checkpoints = new Map<string, Position>()
  readonly #acknowledged = new Map<string, number>()

  static async load(engine: Engine): Promise<Ledger> {
    const ledger = new Ledger()
    for await (const chunk of engine.scan(prefixRange('c'))) {
      for (const [key, value] of chunk) ledger.#checkpoints.set(key, unpackPosition(value))
    }
    for await (const chunk of engine.scan(prefixRange('k'))) {
      for (const [key, value] of chunk) {
        ledger.#acknowledged.set(key, readCount(unpack(value), 'acknowledgement'))
      }
    }
    return ledger
  }

  checkpoint(peer: string, key: string): Position | undefined {
    return this.#checkpoints.get(checkpointKey(peer, key))
  }

  acknowledged(peer: string, key: string): number {
    return this.#acknowledged.get(acknowledgementKey(peer, key)) ?? 0
  }

  /** True if any peer acknowledged the change of that number at the path. */
  isAcknowledged(path: string, seq: number): boolean {
    for (const [key, acknowledged] of this.#acknowledged) {
      if (acknowledged >= seq && matches(peerAndKey(key)[1], path)) return true
    }
    return false
  }

  /** Takes checkpoints over, once the ops for them are durable. */
  setCheckpoints(checkpoints: readonly Checkpoint[]): void {
    for (const { peer, key, position } of checkpoints) {
      this.#checkpoints.set(checkpointKey(peer, key), position)
    }
  }

  setAcknowledgements(acknowledgements: readonly Acknowledgement[]): void {
    for (const { peer, key, seq } of acknowledgements) {
      this.#acknowledged.set(acknowledgementKey(peer, key), seq)
    }
  }

  /** The keys under which the engine holds checkpoints. */
  checkpointKeys(): Iterable<string> {
    return this.#checkpoints.keys()
  }

  clearCheckpoints(): void {
    this.#checkpoints.clear()
  }
}

export function checkpointOp({ peer, key, position }: Checkpoint): EngineOp {
  const { epoch, run, seq } = position
  return { key: checkpointKey(peer, key), value: pack([epoch, run, seq]) }
}

export function acknowledgementOp({ peer, key, seq }: Acknowledgement): EngineOp {
  return { key: acknowledgementKey(peer, key), value: pack(seq) }
}

function unpackPosition(bytes: Uint8Array): Position {
  const [epoch, run, seq] = readTuple(unpack(bytes), 'position')
  return {
    epoch: readText(epoch, 'epoch'),
    run: readText(run, 'run'),
    seq: readCount(seq, 'sequence'),
  }
}
