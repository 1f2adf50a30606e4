import { expect, test } from 'vitest'
import { failure, runningNode } from './running.ts'

const BASE = 1767602580000000000n

async function filled() {
  const server = await runningNode()
  const entries = Array.from({ length: 1000 }, (_, n) => {
    const created = BASE + BigInt(n)
    return { path: `log/${(n * 7) % 1000}`, created, updated: 0n, origin: 'x', data: `${n}` }
  })
  await server.store.merge(entries, { peer: 'x' })
  const list = async (query: string): Promise<number[]> => {
    const answer = await fetch(`${server.url}/log/*?${query}`)
    return ((await answer.json()) as { data: number }[]).map(({ data }) => data)
  }
  return { ...server, url: server.url, list }
}

test('a list can be cut by number and by time, to the nanosecond', async () => {
  const { list } = await filled()
  expect(await list('limit=3')).toEqual([999, 998, 997])
  expect(await list('limit=3&order=asc')).toEqual([0, 1, 2])
  expect(await list(`from=${BASE + 10n}&to=${BASE + 12n}`)).toEqual([12, 11, 10])
  expect(await list(`from=${BASE + 10n}&to=${BASE + 12n}&order=asc&limit=2`)).toEqual([10, 11])
  expect(await list(`from=${BASE + 999n}`)).toEqual([999])
  expect(await list(`to=${BASE - 1n}`)).toEqual([])
  expect(await list('limit=5000&order=asc')).toEqual(Array.from({ length: 1000 }, (_, n) => n))
  expect(await list('order=desc&unknown=1')).toHaveLength(1000)
})

test.each(['limit=0', 'limit=-1', 'limit=x', 'limit=1.5', 'limit=', 'limit=1&limit=2', 'order=up'])(
  'a list with %s is refused',
  async (query) => {
    const { url } = await runningNode()
    const answer = await fetch(`${url}/log/*?${query}`)
    expect(await failure(answer)).toEqual({ status: 400, code: 'SKERRY_RANGE_INVALID' })
  },
)

test.each(['from=x', 'to=1.5', 'from=-1', 'to=99999999999999999999', 'from='])(
  'a list with the time %s is refused',
  async (query) => {
    const { url } = await runningNode()
    const answer = await fetch(`${url}/log/*?${query}`)
    expect(await failure(answer)).toEqual({ status: 400, code: 'SKERRY_RANGE_INVALID' })
  },
)
