import { isGlob } from '../core/path.ts'
import type { Value } from '../core/value.ts'
import type { Entry } from './entry.ts'
import type { DatabaseFactory } from './indexeddb.ts'
import { IndexedStorage } from './indexeddb.ts'
import { overlaid, type PendingWrite } from './overlay.ts'
import { globals } from './platform.ts'
import { MemoryStorage, type Storage } from './storage.ts'

/** Opens the storage of that name. */
export async function openStorage(name: string): Promise<Storage> {
  const factory = globals.indexedDB as DatabaseFactory | undefined
  return factory === undefined ? new MemoryStorage() : IndexedStorage.connect(factory, name)
}

/** What is known on this device of a path or glob, the writes that wait included; undefined if nothing is. */
export async function knownLocally(
  storage: Storage,
  pattern: string,
  writes: readonly PendingWrite[],
): Promise<Value | undefined> {
  const kept = (await storage.copy(pattern))?.value ?? (await fromList(storage, pattern))
  if (kept !== undefined) return overlaid(pattern, kept, writes)
  const blank = isGlob(pattern) ? [] : null
  const shown = overlaid(pattern, blank, writes)
  return shown === blank ? undefined : shown
}

/** An entry is also known if the list that it would be in is. */
async function fromList(storage: Storage, path: string): Promise<Entry | null | undefined> {
  if (isGlob(path)) return undefined
  const list = await storage.copy(path.slice(0, path.lastIndexOf('/') + 1) + '*')
  if (list === undefined) return undefined
  return (list.value as readonly Entry[]).find((entry) => entry.path === path) ?? null
}
