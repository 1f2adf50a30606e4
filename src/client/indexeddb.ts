import type { PendingWrite } from './overlay.ts'
import {
  type ClientRecord,
  confirmed,
  type KeptCopy,
  MAX_COPIES,
  MAX_REFUSED,
  type Outgoing,
  type RefusedWrite,
  type Storage,
} from './storage.ts'

// IndexedDB by shape, as far as it is used here.

interface Request<T> {
  readonly result: T
  readonly error: Error | null
  onsuccess: (() => void) | null
  onerror: (() => void) | null
}

interface ObjectStore {
  get(key: unknown): Request<unknown>
  getAll(): Request<unknown[]>
  count(): Request<number>
  put(value: unknown): Request<unknown>
  delete(key: unknown): Request<unknown>
  clear(): Request<unknown>
  createIndex(name: string, path: string): unknown
  index(name: string): { openKeyCursor(): Request<{ readonly primaryKey: unknown } | null> }
}

interface Transaction {
  readonly error: Error | null
  objectStore(name: string): ObjectStore
  abort(): void
  oncomplete: (() => void) | null
  onabort: (() => void) | null
}

interface Database {
  createObjectStore(
    name: string,
    options: { keyPath: string; autoIncrement?: boolean },
  ): ObjectStore
  transaction(
    names: readonly string[],
    mode: 'readonly' | 'readwrite',
    options?: { durability: 'strict' },
  ): Transaction
  close(): void
  onversionchange: (() => void) | null
}

/** `globalThis.indexedDB` */
export interface DatabaseFactory {
  open(name: string, version: number): Request<Database> & { onupgradeneeded: (() => void) | null }
}

const FORMAT = 1

/** How a write is kept: its key sorts as its stamp does. */
interface KeptWrite extends PendingWrite {
  readonly key: string
}

/** Keeps copies and outbox in IndexedDB; what a call has written when it resolves survives the browser's end. */
export class IndexedStorage implements Storage {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
    // Another page has a newer version of this code: it must not wait for this one.
    database.onversionchange = () => database.close()
  }

  static async connect(factory: DatabaseFactory, name: string): Promise<IndexedStorage> {
    const request = factory.open(name, FORMAT)
    request.onupgradeneeded = () => {
      const database = request.result
      database.createObjectStore('record', { keyPath: 'key' })
      database.createObjectStore('outbox', { keyPath: 'key' })
      database.createObjectStore('refused', { keyPath: 'key', autoIncrement: true })
      const copies = database.createObjectStore('copies', { keyPath: 'pattern' })
      copies.createIndex('keptAtMs', 'keptAtMs')
    }
    return new IndexedStorage(await resultOf(request))
  }

  open(make: () => ClientRecord): Promise<ClientRecord> {
    return this.#change(['record'], async ({ record }) => {
      const found = (await resultOf(record!.get(0))) as ClientRecord | undefined
      const made = found ?? make()
      if (found === undefined) record!.put({ ...made, key: 0 })
      return made
    })
  }

  append(mint: (record: ClientRecord) => [ClientRecord, PendingWrite]): Promise<PendingWrite> {
    return this.#change(['record', 'outbox'], async ({ record, outbox }) => {
      const [next, write] = mint((await resultOf(record!.get(0))) as ClientRecord)
      record!.put({ ...next, key: 0 })
      outbox!.put(kept(write))
      return write
    })
  }

  rewrite(
    change: (
      record: ClientRecord,
      writes: readonly PendingWrite[],
    ) => [ClientRecord, readonly PendingWrite[]],
  ): Promise<void> {
    return this.#change(['record', 'outbox'], async ({ record, outbox }) => {
      const before = (await resultOf(record!.get(0))) as ClientRecord
      const found = (await resultOf(outbox!.getAll())) as KeptWrite[]
      const [next, writes] = change(before, found)
      record!.put({ ...next, key: 0 })
      if (writes === found) return
      outbox!.clear()
      for (const write of writes) outbox!.put(kept(write))
    })
  }

  settle(stamps: readonly bigint[], failed: readonly RefusedWrite[]): Promise<void> {
    return this.#change(['record', 'outbox', 'refused'], async ({ record, outbox, refused }) => {
      const before = (await resultOf(record!.get(0))) as ClientRecord
      record!.put({ ...confirmed(before, stamps), key: 0 })
      for (const stamp of stamps) outbox!.delete(keyOf(stamp))
      for (const failure of failed) refused!.put({ ...failure })
      const all = failed.length === 0 ? [] : await resultOf(refused!.getAll())
      for (const old of all.slice(0, -MAX_REFUSED)) refused!.delete((old as { key: number }).key)
    })
  }

  dismiss(): Promise<void> {
    return this.#change(['refused'], async ({ refused }) => void refused!.clear())
  }

  async outgoing(): Promise<Outgoing> {
    const transaction = this.#database.transaction(['outbox', 'refused'], 'readonly')
    const [writes, refused] = await Promise.all([
      resultOf(transaction.objectStore('outbox').getAll()),
      resultOf(transaction.objectStore('refused').getAll()),
    ])
    return { writes: writes as KeptWrite[], refused: refused as RefusedWrite[] }
  }

  async copy(pattern: string): Promise<KeptCopy | undefined> {
    const transaction = this.#database.transaction(['copies'], 'readonly')
    return (await resultOf(transaction.objectStore('copies').get(pattern))) as KeptCopy | undefined
  }

  keepCopy(pattern: string, { value, version }: KeptCopy): Promise<void> {
    return this.#change(['copies'], async ({ copies }) => {
      copies!.put({ pattern, value, version, keptAtMs: Date.now() })
      if ((await resultOf(copies!.count())) <= MAX_COPIES) return
      const oldest = await resultOf(copies!.index('keptAtMs').openKeyCursor())
      if (oldest !== null) copies!.delete(oldest.primaryKey)
    })
  }

  close(): void {
    this.#database.close()
  }

  /** Runs one atomic step; resolves when it is on the disk. */
  async #change<T>(
    names: readonly string[],
    run: (stores: Record<string, ObjectStore>) => Promise<T>,
  ): Promise<T> {
    const transaction = this.#database.transaction(names, 'readwrite', { durability: 'strict' })
    const done = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(transaction.error ?? new Error('the step was given up'))
    })
    const stores = Object.fromEntries(names.map((name) => [name, transaction.objectStore(name)]))
    try {
      const [result] = await Promise.all([
        run(stores).catch((error: unknown) => abort(transaction, error)),
        done,
      ])
      return result
    } catch (error) {
      done.catch(() => undefined)
      throw error
    }
  }
}

function abort(transaction: Transaction, error: unknown): never {
  try {
    transaction.abort()
  } catch {
    // It was over already.
  }
  throw error
}

function resultOf<T>(request: Request<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('the storage failed'))
  })
}

function kept({ kind, path, data, stamp }: PendingWrite): KeptWrite {
  return { key: keyOf(stamp), kind, path, data, stamp }
}

function keyOf(stamp: bigint): string {
  return stamp.toString(16).padStart(16, '0')
}
