import { SkerryError, skerryErrorFrom } from '../index.ts'

/** What a command says when a file or the disk failed it; what the node said is told as it is. */
export function fileFailure(file: string, error: unknown): SkerryError {
  if (error instanceof SkerryError) return error
  const why = error instanceof Error ? error.message : String(error)
  return skerryErrorFrom(error, 'FILE_FAILED', file, why)
}
