/** One step of an atomic write: a value to put at a key, or a key to delete (`value` left out). */
export interface EngineOp {
  readonly key: string
  readonly value?: Uint8Array
}

/** A key with its value. */
export type EngineItem = readonly [key: string, value: Uint8Array]

/** Keys from `from` (included) to `to` (left out), in order. */
export interface EngineRange {
  readonly from: string
  readonly to: string
  /** The most items to return; all of them by default. */
  readonly limit?: number
}

/**
 * The port to an ordered key-value engine: what a store needs of a disk.
 *
 * Keys are ASCII text in code-unit order. Readers see what the last *completed* write left, never one that
 * is still on its way to the disk. The store has at most one write under way at a time.
 */
export interface Engine {
  /** False if what it holds goes with the process. */
  readonly durable: boolean
  get(key: string): Uint8Array | undefined
  /** The range in chunks, as it was at the moment of the call, whatever is written meanwhile. */
  scan(range: EngineRange): AsyncIterable<readonly EngineItem[]>
  /**
   * Applies all steps or none. When the promise resolves, a power cut can't take them back.
   * @param shown called in the very turn in which readers begin to see the steps
   */
  write(ops: readonly EngineOp[], shown?: () => void): Promise<void>
  /** Ends it; calling it twice does nothing more. */
  close(): Promise<void>
}

/** How many items a scan hands over at once. */
export const SCAN_CHUNK = 1000
