import type { Hello } from './connection.ts'
import { isGlob } from '../core/path.ts'
import type { Value } from '../core/value.ts'
import { clientError, ClientError } from './error.ts'
import { CopyKeeper } from './keeper.ts'
import { knownLocally, openStorage } from './local.ts'
import { Outbox, type OutboxUser, storageError, type WriteOutcome } from './outbox.ts'
import { overlaid, type PendingWrite } from './overlay.ts'
import type { Storage } from './storage.ts'
import type { Subject } from './subject.ts'

/** What offline mode needs of its client. */
export interface OfflineUser extends Omit<OutboxUser, 'changed'> {
  /** The writes that wait have changed. */
  changed(writes: readonly PendingWrite[]): void
}

interface Opened {
  readonly storage: Storage
  readonly outbox: Outbox
  readonly keeper: CopyKeeper
}

/** Offline mode: what was read is kept, and what is written goes by an outbox, both on this device. */
export class Offline {
  readonly #user: OfflineUser
  readonly #opening: Promise<Opened>
  #opened: Opened | undefined
  #hello: Hello | undefined
  #observed = 0n
  /** What was shown before the storage was open. */
  readonly #early = new Set<Subject>()
  #closed = false

  constructor(user: OfflineUser) {
    this.#user = user
    this.#opening = this.#open()
    this.#opening.catch((error: unknown) => this.#failed(error))
  }

  observe(stamp: bigint): void {
    if (stamp > this.#observed) this.#observed = stamp
    this.#opened?.outbox.observe(stamp)
  }

  opened(hello: Hello): void {
    this.#hello = hello
    void this.#opened?.outbox.opened(hello)
  }

  lost(): void {
    this.#hello = undefined
    this.#opened?.keeper.flush()
    this.#opened?.outbox.lost()
  }

  /** What the device knows of a path or glob; undefined if nothing. */
  async known(pattern: string): Promise<Value | undefined> {
    const { storage, outbox } = await this.#opening
    return knownLocally(storage, pattern, outbox.writes)
  }

  /** Keeps what the node answered, and shows it with the writes that wait on top. */
  async seen(pattern: string, value: Value): Promise<Value> {
    const { storage, outbox } = await this.#opening
    const kept = await storage.copy(pattern)
    // A watch keeps its own copy, with a version.
    if (kept?.version === undefined) {
      storage
        .keepCopy(pattern, { value, version: undefined })
        .catch((error: unknown) => this.#failed(error))
    }
    return overlaid(pattern, value, outbox.writes)
  }

  /** The node showed something new of what is watched. */
  shown(subject: Subject): void {
    if (this.#opened === undefined) this.#early.add(subject)
    else this.#opened.keeper.note(subject)
  }

  /** Gives what is watched the copy that was kept, so that there is something to show. */
  async recall(subject: Subject): Promise<void> {
    try {
      const { storage, outbox } = await this.#opening
      const kept = await storage.copy(subject.pattern)
      if (kept !== undefined) subject.remember(kept.value, kept.version)
      subject.setWrites(outbox.writes)
    } catch (error) {
      this.#failed(error)
    }
  }

  async write(
    op: 'set' | 'push' | 'patch' | 'delete',
    path: string,
    data: unknown,
  ): Promise<{ path: string; outcome: WriteOutcome }> {
    if (op !== 'delete' && isGlob(path) !== (op === 'push')) {
      throw clientError(
        'CLIENT_OPTION_INVALID',
        'path',
        `${op} takes a ${op === 'push' ? 'glob' : 'path'}`,
      )
    }
    const { outbox } = await this.#opening.catch((error: unknown) => {
      throw storageError(error)
    })
    if (op !== 'push') return outbox.write(() => path, { kind: op, data })
    // Sortable by time, and no other client's: as the indexes that nodes make.
    const pathOf = (stamp: bigint, client: string): string =>
      path.replace('*', stamp.toString(16).padStart(16, '0') + client.slice(0, 8))
    return outbox.write(pathOf, { kind: 'set', data })
  }

  async dismiss(): Promise<void> {
    const { storage, outbox } = await this.#opening
    await storage.dismiss()
    await outbox.refresh()
  }

  close(): void {
    this.#closed = true
    if (this.#opened !== undefined) close(this.#opened)
  }

  async #open(): Promise<Opened> {
    const storage = await openStorage(this.#user.name)
    const { name, status, ask } = this.#user
    const changed = (): void => this.#user.changed(this.#opened?.outbox.writes ?? [])
    const outbox = await Outbox.open(storage, { name, status, ask, changed })
    const keeper = new CopyKeeper(storage, (error) => this.#failed(error))
    const opened = { storage, outbox, keeper }
    this.#opened = opened
    outbox.observe(this.#observed)
    for (const subject of this.#early) keeper.note(subject)
    this.#early.clear()
    if (this.#closed) close(opened)
    else if (this.#hello !== undefined) void outbox.opened(this.#hello)
    return opened
  }

  #failed(error: unknown): void {
    if (this.#closed) return
    const failure = error instanceof ClientError ? error : storageError(error)
    this.#user.status.change({ lastError: failure })
  }
}

function close({ storage, outbox, keeper }: Opened): void {
  keeper.flush()
  outbox.close()
  storage.close()
}
