import { expect, test } from 'vitest'
import type { Conflict, Logger, Server, ServerOptions } from '../../src/index.ts'
import { directory } from './directory.ts'
import { runningNode } from './running.ts'

/** A node that keeps its data in that directory. */
function node(id: string, data: string, options: ServerOptions = {}): Promise<Server> {
  return runningNode({ memory: false, data, id, ...options })
}

/** Two nodes that were linked once, each by itself since; what `write` does on each they don't know of each other. */
async function apart(write: (server: Server) => Promise<unknown>) {
  const [here, there] = [await directory(), await directory()]
  const leader = await node('leader', here)
  const first = await node('node', there, { leader: leader.url })
  await first.state.set('shared', 0)
  await expect.poll(() => leader.state.get('shared')).not.toBe(null)
  // Only who was once in step can tell what the other one does not know.
  for (const server of [leader, first]) {
    const links = () => server.status().sync.links.map(({ open, unrepaired }) => [open, unrepaired])
    await expect.poll(links).toEqual([[true, []]])
  }
  await first.close()
  await leader.close()
  const alone = await node('leader', here)
  await write(alone)
  await alone.close()
  const other = await node('node', there)
  await write(other)
  await other.close()
  return { here, there }
}

/** The versions as tests name them: who wrote what. */
function said({ winner, loser }: Conflict): unknown[] {
  return [winner, loser].map(({ path, origin, data }) => [path, origin, data])
}

test('what was written apart is told on both sides, with both versions, and counted', async () => {
  const { here, there } = await apart(async (server) => {
    await server.state.set('shared', server.id)
    await server.state.set(server.id, 1)
    await server.state.set('same', 'alike')
    if (server.id === 'leader') await server.state.set('gone', 1)
    else await server.state.delete('shared')
  })
  const told: Record<string, unknown[]> = { leader: [], node: [] }
  const listen = (id: string) => ({
    onConflict: (conflict: Conflict) => told[id]!.push(said(conflict)),
  })
  const leader = await node('leader', here, listen('leader'))
  const other = await node('node', there, { leader: leader.url, ...listen('node') })
  const contest = [
    ['shared', 'node', null],
    ['shared', 'leader', '"leader"'],
  ]
  await expect.poll(() => told).toEqual({ leader: [contest], node: [contest] })
  expect(await leader.state.get('shared')).toBe(null)
  for (const server of [leader, other]) {
    expect(server.status().sync.conflicts).toBe(1)
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    expect(metrics).toContain('\nskerry_conflicts_total 1\n')
  }
  // Who has seen a version and writes over it overrules nobody.
  await other.state.set('shared', 'again')
  await expect.poll(async () => (await leader.state.get('shared'))?.data).toBe('again')
  await leader.state.set('shared', 'and again')
  await expect.poll(async () => (await other.state.get('shared'))?.data).toBe('and again')
  expect([leader, other].map((server) => server.status().sync.conflicts)).toEqual([1, 1])
})

test.each([
  ['rejects', () => Promise.reject(new Error('no')), 'no'],
  [
    'throws',
    () => {
      throw new Error('never')
    },
    'never',
  ],
])('a hook of conflicts that %s is logged, and harms nothing', async (_, onConflict, message) => {
  const { here, there } = await apart((server) => server.state.set('shared', server.id))
  const warned: unknown[] = []
  const ignore = (): void => undefined
  const warn = (...said: unknown[]): void => void warned.push(said)
  const logger = { info: ignore, warn, error: ignore } as unknown as Logger
  const leader = await node('leader', here, { onConflict, logger })
  const other = await node('node', there, { leader: leader.url })
  await expect.poll(() => warned).toHaveLength(1)
  expect(warned[0]).toMatchObject([
    { err: { message }, path: 'shared' },
    'a hook of conflicts failed',
  ])
  await expect.poll(async () => (await leader.state.get('shared'))?.data).toBe('node')
  await leader.state.set('later', 1)
  await expect.poll(async () => (await other.state.get('later'))?.data).toBe(1)
})
