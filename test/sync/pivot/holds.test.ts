import { expect, onTestFinished, test } from 'vitest'
import { LocalStore } from '../../../src/store/local.ts'
import { MemoryEngine } from '../../../src/store/memory.ts'
import { HOLD_LIMIT_MS } from '../../../src/sync/pivot/holds.ts'
import type { HttpAnswer, HttpRequest } from '../../../src/sync/pivot/http.ts'
import { pivotKey } from '../../../src/sync/pivot/keys.ts'
import { Leader } from '../../../src/sync/pivot/leader.ts'
import { PivotPeers } from '../../../src/sync/pivot/peers.ts'
import { VirtualEnv } from '../../../src/testing/env.ts'

const RETURNING = '10.0.0.7:8800'
const OTHER = '10.0.0.8:8800'
const TOLD = '/_pivot/synchronize/pivot?key='
const LIST = '/_pivot/pivot/users/*'

/** A leader of two Go nodes. One of them is being read, and has not answered yet. */
async function leaderReading() {
  const env = new VirtualEnv(1)
  const store = await LocalStore.open(new MemoryEngine(), env, { nodeId: 'leader' })
  const users = pivotKey('users/*', store, undefined)
  const told: string[] = []
  let answerList: (answer: HttpAnswer) => void = () => undefined
  const list = new Promise<HttpAnswer>((resolve) => (answerList = resolve))
  const reading = { begun: false }
  const request = async ({ url }: HttpRequest): Promise<HttpAnswer> => {
    const { host, pathname, search } = new URL(url)
    const route = pathname + search
    if (host === OTHER && route.startsWith(TOLD)) told.push(route.slice(TOLD.length))
    if (host === RETURNING && route === LIST) {
      reading.begun = true
      return list
    }
    const body = route === '/_pivot/version' ? '{"protocol":"2.0"}' : '[]'
    return { status: 200, body }
  }
  const leader = new Leader({
    ...{ env, http: { request, close: () => Promise.resolve() }, keys: [users] },
    ...{ peers: new PivotPeers(store), nodesKey: undefined, extraNodes: [RETURNING, OTHER] },
    ...{ own: () => undefined, checkIntervalMs: 30_000 },
    ...{ lift: () => undefined, changed: () => undefined },
  })
  onTestFinished(() => leader.stop())
  await leader.start()
  await expect.poll(() => reading.begun && told.length > 0).toBe(true)
  told.length = 0
  return { env, leader, users, told, answer: () => answerList({ status: 200, body: '[]' }) }
}

test('while a node that came back is read nobody is told the news, and whoever asked is told again', async () => {
  const { leader, users, told, answer } = await leaderReading()
  expect(leader.refuses(users)).toBe(true)
  expect(told).toEqual([])
  answer()
  await expect.poll(() => told).toEqual(['users/*'])
  expect(leader.refuses(users)).toBe(false)
})

test('a node that came back and never answers keeps news from nobody for longer than the limit', async () => {
  const { env, leader, users, told } = await leaderReading()
  env.advance(HOLD_LIMIT_MS - 1)
  expect(leader.refuses(users)).toBe(true)
  env.advance(1)
  expect(leader.refuses(users)).toBe(false)
  await expect.poll(() => told).toEqual(['users/*'])
})

test('if nobody asked while a node was read, nobody is told again', async () => {
  const { leader, told, answer } = await leaderReading()
  answer()
  await expect.poll(() => leader.health.every(({ healthy }) => healthy)).toBe(true)
  expect(told).toEqual([])
})
