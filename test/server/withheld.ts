import type { Server } from '../../src/index.ts'

/** Has the node withhold a version at each path, as if a stale peer had offered it after a forgotten delete. */
export async function withhold(node: Server, paths: readonly string[]): Promise<void> {
  await node.store.raiseHorizons([{ key: '**', stamp: 1000n }])
  const entries = paths.map((path) => {
    return { path, created: 10n, updated: 0n, origin: 'stale', data: '9223372036854775807' }
  })
  await node.store.merge(entries, { peer: 'stale', doubted: new Set(paths) })
}
