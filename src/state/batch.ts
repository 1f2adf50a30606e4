import { SkerryError } from '../core/errors.ts'
import type { Write } from '../store/store.ts'

/** The most writes of one batch. */
export const MAX_BATCH_WRITES = 1000

/** Why a batch was refused: what one of its writes was refused for. Nothing of the batch was written. */
export class BatchError extends SkerryError {
  /** Which write it is, 0 for the first. */
  readonly item: number

  constructor(item: number, { code, status, message }: SkerryError, cause: unknown) {
    super(code, status, `write ${item} of the batch: ${message}`, cause)
    this.item = item
  }
}

/** Says of an error which write of the batch it is about. */
export function ofItem(item: number, error: unknown): unknown {
  return error instanceof SkerryError ? new BatchError(item, error, error) : error
}

/** The writes; whatever their decisions throw names the item. */
export function itemWrites(item: number, writes: readonly Write[]): Write[] {
  return writes.map((write) => ({
    ...write,
    decide: (held) => {
      try {
        return write.decide(held)
      } catch (error) {
        throw ofItem(item, error)
      }
    },
  }))
}
