import {
  type Packable,
  pack,
  readBytes,
  readCount,
  readText,
  readTuple,
  unpack,
} from '../core/codec.ts'
import { skerryError } from '../core/errors.ts'
import type { Engine, EngineItem } from './engine.ts'
import { prefixRange } from './layout.ts'

// A backup is what an engine holds, key by key, as it was at one moment, in frames: four bytes with the
// length of a MessagePack tuple of [key, value] pairs, big-endian, and the tuple. The last frame holds
// the number of pairs instead: a stream that was cut short has none. The backup of a node is several of
// these, one behind the other, behind a frame with a text: their names in that order.

/** What the only part of a backup without names is: the store. */
const ONLY_PART = 'store'

/** The longest frame that is read: more than a thousand records of the largest usual size. */
const MAX_FRAME_BYTES = 512 * 1024 * 1024

/** Where a frame is closed, in bytes of keys and values. */
const FRAME_BYTES = 256 * 1024

const LENGTH_BYTES = 4

/** What the engine holds now, as the bytes of a backup; writes that come meanwhile are not in it. */
export async function* backupBytes(engine: Engine): AsyncGenerator<Uint8Array> {
  let items = 0
  let pairs: [string, Uint8Array][] = []
  let bytes = 0
  for await (const chunk of engine.scan(prefixRange(''))) {
    for (const [key, value] of chunk) {
      pairs.push([key, value])
      bytes += key.length + value.length
      items++
      if (bytes < FRAME_BYTES) continue
      yield frame(pairs)
      pairs = []
      bytes = 0
    }
  }
  if (pairs.length > 0) yield frame(pairs)
  yield frame(items)
}

/** The backups of several engines as one; each begins when the one before it is through. */
export async function* joinedBackup(
  parts: readonly (readonly [name: string, bytes: AsyncIterable<Uint8Array>])[],
): AsyncGenerator<Uint8Array> {
  yield frame(parts.map(([name]) => name).join(' '))
  for (const [, bytes] of parts) yield* bytes
}

/** Some records of a part. There is one such piece, with no records, where a part begins. */
export type BackupPiece = readonly [part: string, items: readonly EngineItem[]]

/**
 * Reads a backup, frame by frame.
 * @throws SKERRY_BACKUP_INVALID if it is cut short, or not a backup
 */
export async function* backupPieces(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<BackupPiece> {
  let names: readonly string[] | undefined
  let at = 0
  let items = 0
  for await (const payload of frames(bytes)) {
    const content = unpack(payload)
    if (names === undefined) {
      names = typeof content === 'string' ? content.split(' ') : [ONLY_PART]
      yield [names[0]!, []]
      if (typeof content === 'string') continue
    }
    const part = names[at]
    if (part === undefined) throw skerryError('BACKUP_INVALID', 'it goes on behind its end')
    if (Array.isArray(content)) {
      const chunk = content.map(readItem)
      items += chunk.length
      yield [part, chunk]
      continue
    }
    if (readCount(content, 'count') !== items) {
      throw skerryError('BACKUP_INVALID', 'records are missing from it')
    }
    items = 0
    at++
    if (at < names.length) yield [names[at]!, []]
  }
  if (at !== names?.length) throw skerryError('BACKUP_INVALID', 'it ends too early')
}

function readItem(pair: unknown): EngineItem {
  const [key, value] = readTuple(pair, 'record')
  return [readText(key, 'key'), readBytes(value, 'value')]
}

function frame(content: Packable): Uint8Array {
  const payload = pack(content)
  const framed = new Uint8Array(LENGTH_BYTES + payload.length)
  new DataView(framed.buffer).setUint32(0, payload.length)
  framed.set(payload, LENGTH_BYTES)
  return framed
}

async function* frames(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const queue = new ByteQueue()
  for await (const chunk of bytes) {
    queue.add(chunk)
    for (let payload = nextFrame(queue); payload !== undefined; payload = nextFrame(queue)) {
      yield payload
    }
  }
  if (queue.length > 0) throw skerryError('BACKUP_INVALID', 'it ends within a record')
}

function nextFrame(queue: ByteQueue): Uint8Array | undefined {
  const head = queue.peek(LENGTH_BYTES)
  if (head === undefined) return undefined
  const length = new DataView(head.buffer, head.byteOffset).getUint32(0)
  if (length > MAX_FRAME_BYTES) throw skerryError('BACKUP_INVALID', 'it is not a backup of a node')
  const framed = queue.peek(LENGTH_BYTES + length)
  if (framed === undefined) return undefined
  queue.drop(LENGTH_BYTES + length)
  return framed.subarray(LENGTH_BYTES)
}

/** Bytes that came in pieces, joined only once enough of them are there. */
class ByteQueue {
  #pieces: Uint8Array[] = []
  length = 0

  add(piece: Uint8Array): void {
    this.#pieces.push(piece)
    this.length += piece.length
  }

  /** The first bytes, or undefined if there are not so many. */
  peek(count: number): Uint8Array | undefined {
    if (this.length < count) return undefined
    if (this.#pieces[0]!.length < count) this.#pieces = [join(this.#pieces, this.length)]
    return this.#pieces[0]!.subarray(0, count)
  }

  drop(count: number): void {
    this.#pieces[0] = this.#pieces[0]!.subarray(count)
    if (this.#pieces[0].length === 0) this.#pieces.shift()
    this.length -= count
  }
}

function join(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const joined = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}
