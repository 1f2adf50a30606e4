import { HybridClock } from '../core/hlc.ts'
import { elementsIn, membersIn } from '../core/json.ts'
import type { Hello } from './connection.ts'
import { ClientError, clientError, type Refusal } from './error.ts'
import type { PendingWrite } from './overlay.ts'
import { after, type Broadcast, globals, randomHex, wallClock } from './platform.ts'
import type { SyncStatus } from './status.ts'
import type { ClientRecord, RefusedWrite, Storage } from './storage.ts'

/** The most writes that wait to be delivered. */
const MAX_PENDING = 10_000

/** The most writes of one message; the node takes no more. */
const MAX_DELIVERED = 100

/** How long a page waits for another one that delivers; after that it delivers too, which does no harm. */
const LOCK_TIMEOUT_MS = 10_000

/** How long a delivery waits that a node could not take in. */
const RETRY_MS = 2000

/** How far ahead of the node's clock stamps may be, before a node has said so. */
const DEFAULT_MAX_DRIFT_MS = 60_000

/** What became of a write. */
export type WriteOutcome = 'written' | 'overruled' | 'known' | 'pending'

/** What an outbox needs of its client. */
export interface OutboxUser {
  readonly name: string
  readonly status: SyncStatus
  ask(members: string): Promise<string>
  /** The writes that wait have changed. */
  changed(): void
}

/**
 * The writes of a client, kept until a node has them. Each is stamped when it is made, by the client's own hybrid
 * clock, and delivered under that stamp, in order: however late it comes, it takes the place in time that it had.
 */
export class Outbox {
  readonly #storage: Storage
  readonly #user: OutboxUser
  readonly #waiting = new Map<bigint, (outcome: WriteOutcome | ClientError) => void>()
  readonly #broadcast: Broadcast | undefined
  #writes: readonly PendingWrite[] = []
  #record: ClientRecord
  #maxDriftMs = DEFAULT_MAX_DRIFT_MS
  #observed = 0n
  #online = false
  #delivering = false
  #again = false
  #cancelRetry: () => void = () => undefined
  #closed = false

  constructor(storage: Storage, user: OutboxUser, record: ClientRecord) {
    this.#storage = storage
    this.#user = user
    this.#record = record
    this.#broadcast = globals.BroadcastChannel && new globals.BroadcastChannel(user.name)
    this.#broadcast?.addEventListener('message', () => this.#look())
  }

  static async open(storage: Storage, user: OutboxUser): Promise<Outbox> {
    const record = await storage.open(() => ({
      client: randomHex(32),
      mark: 0n,
      delivered: 0n,
      offset: 0n,
    }))
    const outbox = new Outbox(storage, user, record)
    await outbox.refresh()
    return outbox
  }

  /** What waits, oldest first. */
  get writes(): readonly PendingWrite[] {
    return this.#writes
  }

  /** Follows a stamp that was read: what is written next is newer. */
  observe(stamp: bigint): void {
    if (stamp > this.#observed) this.#observed = stamp
  }

  /**
   * Keeps a write; resolves to what became of it, `pending` if it has to wait for a connection.
   * @param pathOf makes the path of its stamp and the client's id
   * @throws SKERRY_CLIENT_OUTBOX_FULL, SKERRY_STORAGE_FAILED, or what the node refuses it with
   */
  async write(
    pathOf: (stamp: bigint, client: string) => string,
    rest: Pick<PendingWrite, 'kind' | 'data'>,
  ): Promise<{ path: string; outcome: WriteOutcome }> {
    if (this.#writes.length >= MAX_PENDING) throw clientError('CLIENT_OUTBOX_FULL', MAX_PENDING)
    const write = await this.#append(pathOf, rest)
    const { path } = write
    const decided = this.#online
      ? new Promise<WriteOutcome | ClientError>((resolve) =>
          this.#waiting.set(write.stamp, resolve),
        )
      : 'pending'
    this.#show([...this.#writes.filter(({ stamp }) => stamp !== write.stamp), write])
    this.#broadcast?.postMessage('outbox')
    void this.#deliver()
    const outcome = await decided
    if (outcome instanceof ClientError) throw outcome
    return { path, outcome }
  }

  /** There is a connection: puts the clock right, and delivers. */
  async opened(hello: Hello): Promise<void> {
    this.#online = true
    this.#maxDriftMs = hello.maxClockDriftMs
    const offset = hello.time - wallClock()
    this.#record = { ...this.#record, offset }
    try {
      await this.#storage.rewrite((record, writes) =>
        this.#corrected({ ...record, offset }, writes),
      )
      await this.refresh()
    } catch (error) {
      this.#user.status.change({ lastError: storageError(error) })
    }
    void this.#deliver()
  }

  /** The connection is gone: what waits for an answer waits for the next one. */
  lost(): void {
    this.#online = false
    this.#cancelRetry()
    for (const resolve of this.#waiting.values()) resolve('pending')
    this.#waiting.clear()
  }

  /** Reads anew what waits; other pages write into the same outbox. */
  async refresh(): Promise<void> {
    if (this.#closed) return
    // These are in the storage, so if they are not any more, another page has delivered them.
    const waiting = [...this.#waiting.keys()]
    const { writes, refused } = await this.#storage.outgoing()
    this.#user.status.change({ refused })
    this.#show(writes)
    const left = new Set(writes.map(({ stamp }) => stamp))
    for (const stamp of waiting) {
      if (left.has(stamp)) continue
      const failed = refused.find(({ write }) => write.stamp === stamp)
      this.#decide(stamp, failed === undefined ? 'written' : new ClientError(failed.error))
    }
  }

  #show(writes: readonly PendingWrite[]): void {
    this.#writes = writes
    this.#user.status.change({ pending: writes.length })
    this.#user.changed()
  }

  #look(): void {
    this.refresh().catch((error: unknown) => {
      this.#user.status.change({ lastError: storageError(error) })
    })
  }

  close(): void {
    this.#closed = true
    this.lost()
    this.#broadcast?.close()
  }

  async #append(
    pathOf: (stamp: bigint, client: string) => string,
    { kind, data }: Pick<PendingWrite, 'kind' | 'data'>,
  ): Promise<PendingWrite> {
    try {
      return await this.#storage.append((record) => {
        const stamp = this.#mint(record)
        return [
          { ...record, mark: stamp },
          { kind, path: pathOf(stamp, record.client), data, stamp },
        ]
      })
    } catch (error) {
      const failure = storageError(error)
      this.#user.status.change({ lastError: failure })
      throw failure
    }
  }

  #clock({ mark, offset }: ClientRecord): HybridClock {
    const clock = new HybridClock(() => wallClock() + offset, mark, this.#maxDriftMs)
    clock.observe(this.#observed)
    return clock
  }

  #mint(record: ClientRecord): bigint {
    return this.#clock(record).next()
  }

  /**
   * If the device's clock was so far ahead that no node would take the stamps, they are minted anew, in order. No
   * node can have had any of those, as it would have refused them.
   */
  #corrected(
    record: ClientRecord,
    writes: readonly PendingWrite[],
  ): [ClientRecord, readonly PendingWrite[]] {
    const judge = this.#clock({ ...record, mark: 0n })
    if (!judge.isAhead(record.mark)) return [record, writes]
    const sound = writes.filter(({ stamp }) => !judge.isAhead(stamp))
    const last = sound.at(-1)?.stamp ?? 0n
    const mark = last > record.delivered ? last : record.delivered
    const clock = this.#clock({ ...record, mark })
    const stamped = writes
      .slice(sound.length)
      .map((write): PendingWrite => ({ ...write, stamp: clock.next() }))
    return [{ ...record, mark: clock.mark }, [...sound, ...stamped]]
  }

  /** Delivers all there is, one round after the other; only one page at a time, where pages can agree on that. */
  async #deliver(): Promise<void> {
    this.#again = true
    if (this.#delivering) return
    this.#delivering = true
    this.#cancelRetry()
    try {
      while (this.#again && this.#online && !this.#closed) {
        this.#again = false
        await this.#alone(() => this.#rounds())
      }
    } catch (error) {
      this.#postpone(error)
    } finally {
      this.#delivering = false
    }
  }

  async #alone(run: () => Promise<void>): Promise<void> {
    const locks = globals.navigator?.locks
    if (locks === undefined) return run()
    const controller = new AbortController()
    const cancel = after(LOCK_TIMEOUT_MS, () => controller.abort())
    let started = false
    const begin = (): Promise<void> => {
      started = true
      cancel()
      return run()
    }
    try {
      await locks.request(this.#user.name, { signal: controller.signal }, begin)
    } catch (error) {
      if (started) throw error
      await run()
    } finally {
      cancel()
    }
  }

  async #rounds(): Promise<void> {
    for (;;) {
      const { writes } = await this.#storage.outgoing()
      if (writes.length === 0 || !this.#online) return
      const batch = writes.slice(0, MAX_DELIVERED)
      const { client } = this.#record
      const data = `[${batch.map(writeJson).join(',')}]`
      const answer = await this.#user.ask(`"op":"deliver","client":"${client}","data":${data}`)
      await this.#settle(batch, elementsIn(answer))
    }
  }

  /** Takes out what the node has decided on; the first write that it could not take in stays, and all behind it. */
  async #settle(batch: readonly PendingWrite[], results: readonly string[]): Promise<void> {
    const settled: bigint[] = []
    const refused: RefusedWrite[] = []
    let stopped: ClientError | undefined
    for (const [at, write] of batch.entries()) {
      const members = membersIn(results[at] ?? '{}')
      const outcome = members.get('outcome')
      const error = members.get('error')
      const failure =
        error === undefined ? undefined : new ClientError(JSON.parse(error) as Refusal)
      if (failure === undefined && outcome === undefined) {
        throw clientError('ANSWER_INVALID', 'a delivery was not answered in full')
      }
      if (failure !== undefined && isPassing(failure)) {
        stopped = failure
        break
      }
      settled.push(write.stamp)
      if (failure !== undefined) refused.push({ write, error: refusalOf(failure) })
      this.#decide(write.stamp, failure ?? (JSON.parse(outcome!) as WriteOutcome))
    }
    await this.#storage.settle(settled, refused)
    const lastError = refused.at(-1)?.error
    if (lastError !== undefined) this.#user.status.change({ lastError: new ClientError(lastError) })
    await this.refresh()
    this.#broadcast?.postMessage('outbox')
    if (stopped !== undefined) throw stopped
  }

  #decide(stamp: bigint, outcome: WriteOutcome | ClientError): void {
    this.#waiting.get(stamp)?.(outcome)
    this.#waiting.delete(stamp)
  }

  /** Whoever waits learns that it takes longer; then it is tried again. */
  #postpone(thrown: unknown): void {
    const error = thrown instanceof ClientError ? thrown : storageError(thrown)
    for (const resolve of this.#waiting.values()) resolve('pending')
    this.#waiting.clear()
    if (this.#closed || !this.#online) return
    this.#user.status.change({ lastError: error })
    this.#cancelRetry = after(RETRY_MS, () => void this.#retry(error))
  }

  async #retry({ code }: ClientError): Promise<void> {
    if (code === 'SKERRY_STAMP_AHEAD') {
      await this.#storage
        .rewrite((record, writes) => this.#corrected(record, writes))
        .catch((error: unknown) => this.#user.status.change({ lastError: storageError(error) }))
    }
    await this.#deliver()
  }
}

/** True for what may go well another time: the write stays in the outbox. */
function isPassing({ status, code }: ClientError): boolean {
  return status >= 500 || status === 429 || status === 408 || code === 'SKERRY_STAMP_AHEAD'
}

function refusalOf({ code, status, message }: ClientError): Refusal {
  return { code, status, message }
}

/** What a storage failed with, as one of the errors of the client. */
export function storageError(error: unknown): ClientError {
  if (error instanceof ClientError) return error
  const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  const failure = clientError('STORAGE_FAILED', why)
  return new ClientError(refusalOf(failure), error)
}

function writeJson({ kind, path, data, stamp }: PendingWrite): string {
  const value = data === undefined ? '' : `,"data":${JSON.stringify(data)}`
  return `{"kind":"${kind}","stamp":${stamp},"path":${JSON.stringify(path)}${value}}`
}
