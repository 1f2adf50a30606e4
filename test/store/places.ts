import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLevelEngine } from '../../src/store/level.ts'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import type { StorePlace } from '../../src/testing/store/scene.ts'

/** Memory that outlives the stores on it. */
export function memoryPlace(engine = new MemoryEngine()): Promise<StorePlace> {
  return Promise.resolve({
    open: (env, options) => LocalStore.open(engine, env, options),
    copy: () => memoryPlace(engine.copy()),
    remove: () => Promise.resolve(),
  })
}

/** A data directory of its own, with a copy of another one if there is one to copy. */
export async function levelPlace(original?: string): Promise<StorePlace> {
  const dir = await mkdtemp(join(tmpdir(), 'skerry-store-'))
  if (original !== undefined) await cp(original, dir, { recursive: true })
  return {
    open: async (env, options) => LocalStore.open(await openLevelEngine(dir), env, options),
    copy: () => levelPlace(dir),
    remove: () => rm(dir, { recursive: true, force: true }),
  }
}
