import { expect, onTestFinished, test } from 'vitest'
import { LocalStore } from '../../../src/store/local.ts'
import { MemoryEngine } from '../../../src/store/memory.ts'
import type { HttpAnswer, HttpRequest } from '../../../src/sync/pivot/http.ts'
import { pivotKey } from '../../../src/sync/pivot/keys.ts'
import { Leader } from '../../../src/sync/pivot/leader.ts'
import { PivotPeers } from '../../../src/sync/pivot/peers.ts'
import { VirtualEnv } from '../../../src/testing/env.ts'

const NODE = '10.0.0.7:8800'
const CHECK_INTERVAL_MS = 30_000

/** What a healthy node answers. */
function answer(route: string): HttpAnswer {
  const version = { protocol: '2.0', skerry: { node: 'n', link: false } }
  return { status: 200, body: route === '/_pivot/version' ? JSON.stringify(version) : '' }
}

/** A leader of one node, which answers as it is told to. */
async function leaderOfOne() {
  const env = new VirtualEnv(1)
  const store = await LocalStore.open(new MemoryEngine(), env, { nodeId: 'leader' })
  const keys = [pivotKey('users/*', store, undefined), pivotKey('settings', store, undefined)]
  const network = {
    asked: [] as string[],
    answer: (route: string) => Promise.resolve(answer(route)),
  }
  const http = {
    request: ({ url }: HttpRequest) => {
      const route = url.replace(`http://${NODE}`, '')
      network.asked.push(route)
      return network.answer(route)
    },
    close: () => Promise.resolve(),
  }
  const leader = new Leader({
    ...{ env, http, keys, peers: new PivotPeers(store), nodesKey: undefined },
    ...{ extraNodes: [NODE], own: () => undefined, checkIntervalMs: CHECK_INTERVAL_MS },
    ...{ lift: () => undefined, changed: () => undefined },
  })
  store.watch(({ changes }) => leader.follow(store, changes))
  onTestFinished(() => leader.stop())
  const write = (path: string) => store.write([{ path, decide: () => '1' }])
  const health = () => leader.health[0]!
  const lag = () => health().lag.map(({ key, entries, more }) => [key, entries, more])
  return { env, store, leader, network, write, health, lag }
}

const TOLD = '/_pivot/synchronize/pivot?key='
const NOTHING = [
  ['users/*', 0, false],
  ['settings', 0, false],
]

test('a node is checked every 30 s, told of each key at first, and of changes at once', async () => {
  const { env, leader, network, write, health, lag } = await leaderOfOne()
  await leader.start()
  expect(lag()).toEqual([
    ['users/*', 0, true],
    ['settings', 0, true],
  ])
  await expect.poll(lag).toEqual(NOTHING)
  expect(health()).toMatchObject({ healthy: true, compatible: true, reason: '' })
  expect(network.asked).toEqual(['/', '/_pivot/version', `${TOLD}users/*`, `${TOLD}settings`])
  network.asked.length = 0
  env.advance(CHECK_INTERVAL_MS - 1)
  expect(network.asked).toEqual([])
  env.advance(1)
  await expect.poll(() => network.asked).toEqual(['/', '/_pivot/version'])
  expect(health().lastCheck).toBe(env.now())
  network.asked.length = 0
  await write('users/1')
  await expect.poll(() => network.asked).toEqual([`${TOLD}users/*`])
  await expect.poll(lag).toEqual(NOTHING)
})

test('an unhealthy node is checked and not told; once it is back it is told of every key, without a write', async () => {
  const { env, leader, network, write, health, lag } = await leaderOfOne()
  await leader.start()
  await expect.poll(lag).toEqual(NOTHING)
  network.answer = () => Promise.reject(new Error('unreachable'))
  await write('users/1')
  await expect.poll(() => health().healthy).toBe(false)
  expect(health().reason).toBe('unreachable')
  network.asked.length = 0
  for (let i = 0; i < 10; i++) await write('users/2')
  env.advance(CHECK_INTERVAL_MS)
  await expect.poll(() => health().lastCheck).toBe(env.now())
  expect(network.asked).toEqual(['/'])
  expect(lag()[0]).toEqual(['users/*', 11, false])
  expect(health().lag[0]?.seconds).toBe(CHECK_INTERVAL_MS / 1000)
  network.answer = (route) => Promise.resolve(answer(route))
  env.advance(CHECK_INTERVAL_MS)
  await expect.poll(lag).toEqual(NOTHING)
  const told = ['/', '/', '/_pivot/version', `${TOLD}users/*`, `${TOLD}settings`]
  expect(network.asked).toEqual(told)
  expect(health().healthy).toBe(true)
})

test('a node that is being told of changes lacks them until it has answered', async () => {
  const { leader, network, write, lag } = await leaderOfOne()
  await leader.start()
  await expect.poll(lag).toEqual(NOTHING)
  let release: (answer: HttpAnswer) => void = () => undefined
  network.answer = () => new Promise((resolve) => (release = resolve))
  await write('users/1')
  await write('users/2')
  expect(lag()[0]).toEqual(['users/*', 2, false])
  release({ status: 200, body: '' })
  // The second change came after the first telling began.
  await expect.poll(() => lag()[0]).toEqual(['users/*', 1, false])
  release({ status: 200, body: '' })
  await expect.poll(lag).toEqual(NOTHING)
})

test('a node of another protocol is healthy, named as not compatible, and told nothing', async () => {
  const { leader, network, write, health } = await leaderOfOne()
  network.answer = (route) =>
    Promise.resolve({ status: 200, body: route === '/_pivot/version' ? '{"protocol":"1.0"}' : '' })
  await leader.start()
  await expect.poll(() => health().healthy).toBe(true)
  expect(health()).toMatchObject({ compatible: false, protocol: '1.0' })
  await write('users/1')
  expect(network.asked).toEqual(['/', '/_pivot/version'])
})
