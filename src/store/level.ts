import { ClassicLevel, type Iterator } from 'classic-level'
import { mkdir } from 'node:fs/promises'
import { messageOf, skerryErrorFrom } from '../core/errors.ts'
import {
  type Engine,
  type EngineItem,
  type EngineOp,
  type EngineRange,
  SCAN_CHUNK,
} from './engine.ts'

type Level = ClassicLevel<string, Uint8Array>
type ClassicIterator = Iterator<Level, string, Uint8Array>
type Snapshot = ReturnType<Level['snapshot']>

/** What LevelDB gathers in memory before it sorts it into a file: four times its default, for fewer of them. */
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024

/**
 * Opens (or makes) the data directory `dir` as an engine: LevelDB, each write synced to the disk.
 * @throws SKERRY_DATA_DIR_IN_USE if another process holds it
 * @throws SKERRY_DATA_DIR_UNREADABLE if it can't be made, opened or understood
 */
export async function openLevelEngine(dir: string): Promise<Engine> {
  const level: Level = new ClassicLevel(dir, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    writeBufferSize: WRITE_BUFFER_BYTES,
  })
  try {
    await mkdir(dir, { recursive: true })
    await level.open()
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    const locked = (cause as { code?: unknown }).code === 'LEVEL_LOCKED'
    if (locked) throw skerryErrorFrom(error, 'DATA_DIR_IN_USE', dir)
    throw skerryErrorFrom(error, 'DATA_DIR_UNREADABLE', dir, messageOf(cause))
  }
  return new LevelEngine(level)
}

class LevelEngine implements Engine {
  readonly durable = true
  readonly #level: Level
  /** While a write is under way, LevelDB may show it before we know it: readers look past it. */
  #before: View | undefined

  constructor(level: Level) {
    this.#level = level
  }

  get(key: string): Uint8Array | undefined {
    const snapshot = this.#before?.snapshot
    return snapshot ? this.#level.getSync(key, { snapshot }) : this.#level.getSync(key)
  }

  scan({ from, to, limit = -1 }: EngineRange): AsyncIterable<readonly EngineItem[]> {
    const view = this.#before
    const range = { gte: from, lt: to, limit }
    // Made here and now, because an iterator without a snapshot reads what is there when it is made.
    const iterator = view
      ? this.#level.iterator({ ...range, snapshot: view.snapshot })
      : this.#level.iterator(range)
    return chunks(iterator, view?.retain())
  }

  async write(ops: readonly EngineOp[], shown?: () => void): Promise<void> {
    const view = new View(this.#level.snapshot())
    this.#before = view
    try {
      // A chained batch costs half of what an array of operations does.
      const batch = this.#level.batch()
      for (const { key, value } of ops) {
        if (value === undefined) batch.del(key)
        else batch.put(key, value)
      }
      await batch.write({ sync: true })
      this.#before = undefined
      shown?.()
    } finally {
      this.#before = undefined
      view.release()
    }
  }

  close(): Promise<void> {
    return this.#level.close()
  }
}

/** A snapshot that closes when its last reader is done. */
class View {
  readonly snapshot: Snapshot
  #readers = 1

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot
  }

  retain(): View {
    this.#readers++
    return this
  }

  release(): void {
    this.#readers--
    if (this.#readers === 0) void this.snapshot.close()
  }
}

async function* chunks(
  iterator: ClassicIterator,
  view: View | undefined,
): AsyncIterable<readonly EngineItem[]> {
  try {
    for (;;) {
      const chunk = await iterator.nextv(SCAN_CHUNK)
      if (chunk.length === 0) return
      yield chunk
    }
  } finally {
    await iterator.close()
    view?.release()
  }
}
