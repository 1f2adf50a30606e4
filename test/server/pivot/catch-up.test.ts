import { expect, test } from 'vitest'
import type { HttpRequest, ServerOptions } from '../../../src/index.ts'
import { peerClient } from '../../../src/server/pivot/client.ts'
import { MAX_NEWS } from '../../../src/sync/pivot/news.ts'
import { scratchDir } from '../../cli/command.ts'
import { runningNode } from '../running.ts'
import { becomes, shows } from './shown.ts'

// By /_pivot alone between Skerry nodes: what a node that was cut off costs, once it is back.

const LIMIT_MS = 60_000
const ALONE = { keys: ['rows/*'], nativeLink: false, nodeCheckIntervalMs: 50 } as const
const padding = 'x'.repeat(100)

/** A client whose network can be cut, and that counts what lists weigh. */
function cuttableClient() {
  const inner = peerClient()
  const seen = { isCut: false, lists: [] as string[], bytes: 0, held: 0 }
  const gate = { opens: Promise.resolve() }
  const request = async (asked: HttpRequest) => {
    if (seen.isCut) throw new Error('the network is cut')
    seen.held++
    await gate.opens
    seen.held--
    const answer = await inner.request(asked)
    if (asked.method === 'GET') seen.bytes += answer.body.length
    const route = asked.url.replace(/^.*\/_pivot\//, '')
    if (asked.method === 'GET' && route.startsWith('pivot/'))
      seen.lists.push(route.replace(/=.*/, '='))
    return answer
  }
  return { seen, gate, httpClient: { request, close: () => inner.close() } }
}

/** A leader with rows and a node that has them, whose network can be cut. */
async function pairWith(rows: number, options: ServerOptions = {}) {
  const leader = await runningNode({ ...ALONE, ...options })
  const write = async (from: number, to: number, text = padding) => {
    const numbers = Array.from({ length: to - from }, (_, i) => from + i)
    await Promise.all(numbers.map((n) => leader.state.text.set(`rows/${n}`, `"${text}"`)))
  }
  await write(0, rows)
  const { seen, gate, httpClient } = cuttableClient()
  const node = await runningNode({ ...ALONE, leader: leader.url, httpClient })
  const inStep = async () => {
    await becomes(async () => (await node.store.list('rows/*')).entries.length, rows)
    await becomes(() => node.pivot.status.leaders[0]?.healthy)
  }
  await inStep()
  const failures = () => node.pivot.status.leaders[0]?.failures ?? 0
  const cut = async () => {
    seen.isCut = true
    await becomes(() => failures() > 0)
    seen.lists.length = 0
    seen.bytes = 0
  }
  const heal = async () => {
    seen.isCut = false
    await becomes(() => node.pivot.status.leaders[0]?.healthy)
  }
  return { leader, node, seen, gate, write, cut, heal }
}

const NEWS = 'pivot/rows/*?since='
const LIST = 'pivot/rows/*'

test(
  'writes while a node was cut off cost what they weigh, not the list',
  { timeout: LIMIT_MS },
  async () => {
    const { leader, node, seen, write, cut, heal } = await pairWith(5000)
    await cut()
    await write(0, 1200, 'edited')
    await leader.state.text.delete('rows/4999')
    await node.state.text.set('rows/mine', '1')
    await heal()
    await shows(node, { 'rows/0': '"edited"', 'rows/1199': '"edited"', 'rows/4999': undefined })
    await shows(leader, { 'rows/mine': '1' })
    expect(new Set(seen.lists)).toEqual(new Set([NEWS]))
    // The list weighs 800 kB.
    expect(seen.bytes).toBeLessThan(200_000)
    expect(node.pivot.status.leaders[0]?.keys[0]).toMatchObject({ rewinds: 0, rewound: false })
    expect(await node.pivot.removed('rows/*', 10)).toEqual([])
  },
)

test(
  'beyond the bound of news, and when asked to compare everything, the list is fetched',
  { timeout: LIMIT_MS },
  async () => {
    const { node, seen, write, cut, heal } = await pairWith(10)
    await cut()
    await write(10, MAX_NEWS + 11)
    await heal()
    await becomes(async () => (await node.store.list('rows/*')).entries.length, MAX_NEWS + 11)
    expect(seen.lists[0]).toBe(NEWS)
    expect(seen.bytes).toBeGreaterThan(MAX_NEWS * padding.length)
    seen.lists.length = 0
    expect((await fetch(`${node.url}/_pivot/synchronize/node`)).status).toBe(200)
    expect(seen.lists).toContain(LIST)
  },
)

test(
  'a leader that is another process, on the same data or rewound, is compared whole',
  { timeout: LIMIT_MS },
  async () => {
    const data = scratchDir()
    const { leader, node, seen, cut, heal, write } = await pairWith(10, { memory: false, data })
    const port = Number(new URL(leader.url).port)
    await cut()
    await write(0, 1, 'edited')
    await leader.close()
    const again = await runningNode({ ...ALONE, memory: false, data, port })
    await heal()
    await shows(node, { 'rows/0': '"edited"' })
    // It is asked for news, and answers with the list, in which nothing is missing.
    expect(seen.bytes).toBeGreaterThan(9 * padding.length)
    expect(node.pivot.status.leaders[0]?.keys[0]).toMatchObject({ rewinds: 0 })
    await cut()
    await again.close()
    const empty = await runningNode({ ...ALONE, port })
    await heal()
    await shows(empty, { 'rows/0': '"edited"', 'rows/9': `"${padding}"` })
    expect(node.pivot.status.leaders[0]?.keys[0]).toMatchObject({ rewinds: 1 })
    expect((await node.store.list('rows/*')).entries).toHaveLength(10)
  },
)

test('everything is compared when somebody asks for it, also while a pull is under way', async () => {
  const { node, seen, gate } = await pairWith(10)
  let open: () => void = () => undefined
  gate.opens = new Promise((resolve) => (open = resolve))
  await becomes(() => seen.held > 0)
  const synchronized = node.pivot.synchronize()
  open()
  await synchronized
  expect(seen.lists.at(-1)).toBe(LIST)
})
