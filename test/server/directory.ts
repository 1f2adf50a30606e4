import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** An empty directory, removed when the test ends. */
export async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'skerry-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}
