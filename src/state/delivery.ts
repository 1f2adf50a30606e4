import { SkerryError, skerryError } from '../core/errors.ts'
import { isGlob } from '../core/path.ts'
import type { Decide, Delivered, Delivery, Store } from '../store/store.ts'
import { CLIENT_ORIGIN } from './version.ts'
import type { Planner, WriteRequest } from './writing.ts'

/** What a client calls itself: 128 bits that nobody else knows. */
const CLIENT_ID = /^[0-9a-f]{32}$/

const MAX_STAMP = 2n ** 63n - 1n

/** A write that a client made, as it has it in its outbox. */
export interface ClientWrite {
  /** A push is a set: its index is made of its stamp. */
  readonly kind: 'set' | 'patch' | 'delete'
  /** A glob only for `delete`. */
  readonly path: string
  /** JSON text; of a patch, RFC 7396. Empty for `delete`. */
  readonly data: string
  /** Nanoseconds since the Unix epoch, by the client's own hybrid clock. */
  readonly stamp: bigint
}

/** What came of a write, or why it was refused. */
export type DeliveryResult = Exclude<Delivered['outcome'], 'left' | 'ahead'> | SkerryError

/** What the store is to write for a client's write. */
interface Prepared {
  readonly deliveries: readonly Delivery[]
  /** Why the decision was to leave things, once it was made. */
  readonly failure: () => SkerryError | undefined
}

/** See `State.deliver`. */
export async function deliver(
  store: Store,
  planner: Planner,
  client: string,
  writes: readonly ClientWrite[],
): Promise<DeliveryResult[]> {
  assertClient(client, writes)
  const origin = CLIENT_ORIGIN + client
  const results: DeliveryResult[] = []
  let batch: ClientWrite[] = []
  for (const write of writes) {
    // What a glob covers is only known once the writes before it are there.
    if (isGlob(write.path) && batch.length > 0) {
      results.push(...(await deliverBatch(store, planner, { origin, writes: batch })))
      batch = []
    }
    batch.push(write)
  }
  if (batch.length > 0)
    results.push(...(await deliverBatch(store, planner, { origin, writes: batch })))
  return results
}

/** Writes of one client that the store decides on together. */
interface Batch {
  readonly origin: string
  readonly writes: readonly ClientWrite[]
}

async function deliverBatch(
  store: Store,
  planner: Planner,
  { origin, writes }: Batch,
): Promise<DeliveryResult[]> {
  const prepared: (Prepared | SkerryError)[] = []
  for (const write of writes) prepared.push(await prepare(planner, write))
  const all = prepared.flatMap((each) => (each instanceof SkerryError ? [] : each.deliveries))
  const outcomes = await store.deliver(origin, all)
  let at = 0
  return prepared.map((each, n) => {
    if (each instanceof SkerryError) return each
    const own = outcomes.slice(at, (at += each.deliveries.length))
    return each.failure() ?? resultOf(own, writes[n]!.path)
  })
}

function assertClient(client: string, writes: readonly ClientWrite[]): void {
  if (!CLIENT_ID.test(client)) {
    throw skerryError('REQUEST_INVALID', 'a client is named by 32 hex digits')
  }
  let last = 0n
  for (const { stamp } of writes) {
    if (stamp <= last || stamp > MAX_STAMP) {
      throw skerryError('REQUEST_INVALID', 'the stamps of a delivery must grow, within 63 bits')
    }
    last = stamp
  }
}

/** Plans a write as any other one is planned; what is wrong with it refuses this one only, not those beside it. */
async function prepare(planner: Planner, write: ClientWrite): Promise<Prepared | SkerryError> {
  const { stamp } = write
  let failure: SkerryError | undefined
  const caught = (decide: Decide): Decide => {
    return (seen) => {
      try {
        return decide(seen)
      } catch (error) {
        failure = refusalOf(error)
        return undefined
      }
    }
  }
  try {
    const { writes } = await planner.plan(requestOf(write))
    const deliveries = writes.map(({ path, decide }) => {
      return { path: path as string, stamp, decide: caught(decide), lost: attempted(decide) }
    })
    return { deliveries, failure: () => failure }
  } catch (error) {
    return refusalOf(error)
  }
}

/** What a write would have made of things, as far as it would have been let through. */
function attempted(decide: Decide): Decide {
  return (seen) => {
    try {
      return decide(seen)
    } catch (error) {
      refusalOf(error)
      return undefined
    }
  }
}

function requestOf({ kind, path, data }: ClientWrite): WriteRequest {
  if (kind === 'delete') return { op: 'delete', path }
  if (kind === 'set') return { op: 'set', path, data }
  return { op: 'patch', path, data, form: 'merge-patch' }
}

function refusalOf(error: unknown): SkerryError {
  if (error instanceof SkerryError) return error
  throw error
}

function resultOf(outcomes: readonly Delivered[], path: string): DeliveryResult {
  const found = (outcome: Delivered['outcome']): boolean =>
    outcomes.some((delivered) => delivered.outcome === outcome)
  if (found('ahead')) return skerryError('STAMP_AHEAD', path)
  if (found('written') || outcomes.length === 0) return 'written'
  return found('known') ? 'known' : 'overruled'
}
