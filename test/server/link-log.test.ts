import { expect, test } from 'vitest'
import type { Logger } from '../../src/index.ts'
import { directory } from './directory.ts'
import { runningNode } from './running.ts'

interface Line {
  readonly level: keyof Logger
  readonly message: string
  readonly fields: Record<string, unknown>
}

function listening(): { lines: Line[]; logger: Logger } {
  const lines: Line[] = []
  const at = (level: keyof Logger) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: { ...fields } })
  return { lines, logger: { info: at('info'), warn: at('warn'), error: at('error') } }
}

test('a link is logged as it opens and as it is lost; what is tried in vain, once', async () => {
  const leader = await runningNode({ id: 'leader' })
  const { lines, logger } = listening()
  const { url } = leader
  const node = await runningNode({ id: 'node', leader: url, logger })
  const linked = { level: 'info', message: 'linked', fields: { peer: 'leader', url, keys: ['**'] } }
  await expect.poll(() => lines).toMatchObject([linked])
  await leader.close()
  const failures = () => node.status().sync.waiting[0]?.failures ?? 0
  await expect.poll(failures).toBeGreaterThan(3)
  expect(lines.slice(1)).toMatchObject([
    { level: 'warn', message: 'link lost', fields: { peer: 'leader', url } },
    { level: 'warn', message: 'no link, tried on', fields: { url } },
  ])
})

test('a copied data directory is logged where it is kept out, and where it is told so', async () => {
  const { lines, logger } = listening()
  const leader = await runningNode({ id: 'leader', logger })
  const told = listening()
  const options = { leader: leader.url, memory: false }
  await runningNode({ ...options, id: 'twin', data: await directory() })
  await expect.poll(() => lines.length).toBe(1)
  const twin = { ...options, id: 'twin', data: await directory(), logger: told.logger }
  await runningNode(twin)
  await expect.poll(() => told.lines).toMatchObject([{ level: 'warn' }])
  expect(told.lines[0]!.fields['reason']).toContain("node 'twin' runs twice")
  expect(lines).toMatchObject([
    { message: 'linked', fields: { peer: 'twin' } },
    { level: 'error', fields: { peer: 'twin' } },
  ])
})
