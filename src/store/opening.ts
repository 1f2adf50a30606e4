import { pack, readCount, readStamp, readTuple, unpack } from '../core/codec.ts'
import { NODE_ID } from '../core/entry.ts'
import { type Env, randomId } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'
import type { Engine } from './engine.ts'
import { type Identity, newIdentity, packIdentity, startRun, unpackIdentity } from './identity.ts'
import { Horizons } from './horizons.ts'
import { Ledger } from './ledger.ts'
import { holdsHistory } from './archive/archive.ts'
import { WithheldShelf } from './withheld.ts'
import { CLOCK_KEY, FORMAT, FORMAT_KEY, IDENTITY_KEY, prefixRange } from './layout.ts'

/** What a store finds when it opens. */
export interface Opened {
  readonly identity: Identity
  /** The newest durable sequence number. */
  readonly seq: number
  /** The clock's highest stamp. */
  readonly mark: bigint
  readonly ledger: Ledger
  readonly horizons: Horizons
  readonly withheld: WithheldShelf
  /** True if versions of its past are kept there. */
  readonly archived: boolean
}

/** Reads who the store is, or makes it somebody, and notes durably that it was started once more. */
export async function openStore(
  engine: Engine,
  env: Env,
  { nodeId }: { readonly nodeId?: string },
): Promise<Opened> {
  if (nodeId !== undefined && !NODE_ID.test(nodeId)) {
    throw skerryError('OPTION_INVALID', 'id', nodeId, 'use 1 to 64 of A-Z a-z 0-9 _ . -')
  }
  const format = engine.get(FORMAT_KEY)
  if (format === undefined) await assertEmpty(engine)
  const found = format === undefined ? FORMAT : readCount(unpack(format), 'format')
  if (found > FORMAT) throw skerryError('DATA_DIR_NEWER', found, FORMAT)

  const { seq, mark } = readClock(engine.get(CLOCK_KEY))
  const stored = engine.get(IDENTITY_KEY)
  const known = stored && unpackIdentity(stored)
  const before = known ?? newIdentity(env, nodeId ?? randomId(env))
  const identity = startRun(env, { ...before, nodeId: nodeId ?? before.nodeId }, seq + 1)
  await engine.write([
    { key: FORMAT_KEY, value: pack(FORMAT) },
    { key: IDENTITY_KEY, value: packIdentity(identity) },
  ])
  const ledger = await Ledger.load(engine, identity.acknowledgedTo)
  const horizons = await Horizons.load(engine)
  const withheld = await WithheldShelf.load(engine)
  const archived = await holdsHistory(engine)
  return { identity, seq, mark, ledger, horizons, withheld, archived }
}

/** What has no format was not written by a store: leave it alone. */
async function assertEmpty(engine: Engine): Promise<void> {
  for await (const chunk of engine.scan({ ...prefixRange(''), limit: 1 })) {
    if (chunk.length > 0) throw skerryError('CODEC_INVALID', 'what lies there is not a store')
  }
}

function readClock(bytes: Uint8Array | undefined): { seq: number; mark: bigint } {
  if (bytes === undefined) return { seq: 0, mark: 0n }
  const [seq, mark] = readTuple(unpack(bytes), 'clock')
  return { seq: readCount(seq, 'sequence'), mark: readStamp(mark, 'mark') }
}
