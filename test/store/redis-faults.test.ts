import { createHash } from 'node:crypto'
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createServer } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { machineEnv } from '../../src/server/env.ts'
import { RedisStore } from '../../src/store/redis.ts'
import { type RedisStoreOptions, resolveRedisOptions } from '../../src/store/redis/options.ts'
import { type ScriptName, scripts } from '../../src/store/redis/scripts.ts'
import type { Position } from '../../src/store/store.ts'
import { put, seen, set, version } from '../../src/testing/store/scene.ts'
import { RedisServer, whyNoRedis } from '../redis-server.ts'
import { HeldLink } from './held-link.ts'

// What a real Redis may do to the servers on it: lose the latest, stand still, answer late.

const LIMIT_MS = 120_000
const POLL = { timeout: 30_000 }
/** Longer than a takeover takes on a busy machine. */
const PATIENT_MS = 60_000
const HEAD = 'skerry:{faults}:head'

let redis: RedisServer
let admin: Redis
const cleanUp: (() => unknown)[] = []

beforeEach(async (context) => {
  const why = whyNoRedis()
  if (why) return context.skip(why)
  redis = await RedisServer.start('--enable-debug-command', 'local')
  cleanUp.push(() => redis.stop())
  admin = new Redis(redis.url)
  admin.on('error', () => undefined)
  cleanUp.push(() => admin.disconnect())
})
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
})

async function openServer(
  options: RedisStoreOptions = {},
  url = redis.url,
  nodeId?: string,
): Promise<RedisStore> {
  const given = { name: 'faults', leaseMs: 600, timeoutMs: 2000, ...options }
  const node = nodeId === undefined ? {} : { nodeId }
  const store = await RedisStore.open(resolveRedisOptions(url, given), machineEnv, node)
  cleanUp.push(() => store.close())
  return store
}

/** What a store told its listeners; fails if its numbers ever went down. */
function follow(store: RedisStore) {
  const shown: Record<string, string | null> = {}
  const falls: string[] = []
  let last = 0
  store.watch(({ seq, changes }) => {
    if (seq < last) falls.push(`${last} → ${seq}`)
    last = seq
    for (const { entry, after } of changes) shown[entry.path] = after?.data ?? null
  })
  return { shown, falls }
}

async function setAtLast(store: RedisStore, path: string, data: string): Promise<number> {
  let seq = 0
  const write = () => set(store, path, data).then((written) => (seq = written.seq))
  await expect.poll(() => write().catch(() => 0), POLL).toBeGreaterThan(0)
  return seq
}

async function writeRange(store: RedisStore, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await set(store, `x/${i}`, `${i}`)
}

function range(to: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: to }, (_, i) => [`x/${i}`, `${i}`]))
}

/** Counts the epochs that begin from now on. */
async function countEpochs(): Promise<() => number> {
  const listener = new Redis(redis.url)
  listener.on('error', () => undefined)
  cleanUp.push(() => listener.disconnect())
  let count = 0
  listener.on('message', (_channel, message) => (count += message === 'epoch\n' ? 1 : 0))
  await listener.subscribe('skerry:{faults}:news')
  return () => count
}

async function logDirectory(): Promise<string> {
  const [, directory] = (await admin.config('GET', 'dir')) as [string, string]
  return join(directory, 'appendonlydir')
}

/**
 * Keeps the log as it is, and puts it back under the running Redis: the same one as before,
 * by its `master_replid`, with less in it.
 */
async function keepLog(): Promise<() => Promise<unknown>> {
  const directory = await logDirectory()
  const name = readdirSync(directory).find((each) => each.endsWith('.incr.aof'))!
  const log = join(directory, name)
  const kept = readFileSync(log)
  return () => {
    writeFileSync(log, kept)
    return admin.call('DEBUG', 'LOADAOF')
  }
}

function shaOf(name: ScriptName): string {
  return createHash('sha1').update(scripts.get(name)!).digest('hex')
}

describe('an older log brought back', () => {
  test(
    'after a restart: a new epoch, and what any server remembers is written again',
    { timeout: LIMIT_MS },
    async () => {
      const [a, b] = [await openServer(), await openServer()]
      const views = [follow(a), follow(b)]
      await writeRange(a, 0, 20)
      const directory = await logDirectory()
      const copy = `${directory}.older`
      cpSync(directory, copy, { recursive: true })
      await writeRange(b, 20, 50)
      await set(a, 'x/0', null)
      await expect.poll(() => [a.seq, b.seq]).toEqual([51, 51])
      const { epoch } = a

      await redis.kill()
      rmSync(directory, { recursive: true })
      cpSync(copy, directory, { recursive: true })
      await redis.start()

      expect(await setAtLast(b, 'after', '1')).toBeGreaterThan(51)
      await expect.poll(() => [a.epoch !== epoch, a.epoch === b.epoch], POLL).toEqual([true, true])
      const all = { ...range(50), after: '1' } as Record<string, string>
      delete all['x/0']
      for (const store of [a, b]) {
        await expect.poll(async () => seen(await store.list('**')), POLL).toEqual(all)
      }
      for (const { shown, falls } of views) {
        await expect.poll(() => shown, POLL).toEqual({ ...all, 'x/0': null })
        expect(falls).toEqual([])
      }
    },
  )

  test(
    'under a Redis that says it is the same one: one new epoch for all, by their numbers alone',
    { timeout: LIMIT_MS },
    async () => {
      const stores = [await openServer(), await openServer(), await openServer()]
      const [a] = stores as [RedisStore]
      await writeRange(a, 0, 10)
      const bringBack = await keepLog()
      await writeRange(a, 10, 30)
      await expect.poll(() => stores.map(({ seq }) => seq)).toEqual([30, 30, 30])
      const { epoch } = a
      const began = await countEpochs()
      await bringBack()
      const before = await admin.hget(HEAD, 'seq')
      expect(Number(before)).toBeLessThan(31)
      await expect
        .poll(() => stores.filter((store) => store.epoch !== epoch).length, POLL)
        .toBe(stores.length)
      expect(new Set(stores.map((store) => store.epoch)).size).toBe(1)
      for (const store of stores) {
        await expect.poll(async () => seen(await store.list('x/*')), POLL).toEqual(range(30))
      }
      await Promise.all(stores.map((store, i) => set(store, `after/${i}`, '1')))
      expect(began()).toBe(1)
    },
  )

  test(
    'and written on by a server that knew nothing of the lost: those who know it bring back all of it',
    { timeout: LIMIT_MS },
    async () => {
      // Its link stands still, so that the other is first to notice.
      const link = await HeldLink.to(redis.port)
      cleanUp.push(() => link.close())
      const knowing = await openServer({ leaseMs: 600, timeoutMs: PATIENT_MS }, link.url)
      await writeRange(knowing, 0, 10)
      const directory = await logDirectory()
      const copy = `${directory}.older`
      cpSync(directory, copy, { recursive: true })
      await writeRange(knowing, 10, 30)

      const still = link.standStillAt(shaOf('skerryBeat'))
      await still
      await redis.kill()
      rmSync(directory, { recursive: true })
      cpSync(copy, directory, { recursive: true })
      await redis.start()
      const fresh = await openServer()
      for (let i = 0; i < 15; i++) await set(fresh, `fresh/${i}`, '1')
      link.release()

      const all = range(30)
      for (let i = 0; i < 15; i++) all[`fresh/${i}`] = '1'
      for (const store of [fresh, knowing]) {
        await expect.poll(async () => seen(await store.list('**')), POLL).toEqual(all)
      }
      await expect.poll(() => knowing.epoch, POLL).toBe(fresh.epoch)
    },
  )
})

describe('numbers of a group that other servers overtook', () => {
  test(
    'are those that Redis gave, in all that the calls return',
    { timeout: LIMIT_MS },
    async () => {
      const link = await HeldLink.to(redis.port)
      cleanUp.push(() => link.close())
      const slow = await openServer({ leaseMs: PATIENT_MS, timeoutMs: PATIENT_MS }, link.url)
      const other = await openServer()
      // From the second time on a script goes by its hash, which the link can tell.
      await set(slow, 'x', '"old"')

      const still = link.standStillAt(shaOf('skerryCommit'))
      const own = slow.write([put('mine', '"here"')])
      const same = slow.write([{ path: 'mine', decide: () => undefined }])
      const merge = slow.merge([version('mine', 1, '"older"')], { peer: 'p' })
      await still
      await writeRange(other, 0, 3)
      link.release()

      const [[written], [left], merged] = await Promise.all([own, same, merge])
      const held = await other.placed('mine')
      expect(held).toMatchObject({ seq: 5, from: '' })
      expect([written, left]).toMatchObject([
        { changed: true, seq: 5 },
        { changed: false, seq: 5 },
      ])
      expect(merged.contests.map(({ seq }) => seq)).toEqual([5])
      expect(merged.beaten.map(({ by }) => by.seq)).toEqual([5])
    },
  )

  test('a message of another epoch is not taken for news', { timeout: LIMIT_MS }, async () => {
    const listener = new Redis(redis.url)
    cleanUp.push(() => listener.disconnect())
    const messages: Buffer[] = []
    listener.on('messageBuffer', (_channel, message: Buffer) => messages.push(message))
    await listener.subscribe('skerry:{faults}:news')
    const [a, b] = [await openServer(), await openServer()]
    const { shown } = follow(b)
    await set(a, 'x', '"deposed"')
    await set(a, 'x', '1')
    await expect.poll(() => [b.seq, messages.length]).toEqual([2, 2])

    // As a master that was deposed tells of a commit: the next number, in a history that has ended.
    const payload = messages[0]!.subarray(messages[0]!.indexOf('\n'))
    const head = Buffer.from('commit 2 0 3 0 somebody 1 ended')
    await admin.publish('skerry:{faults}:news', Buffer.concat([head, payload]))
    await set(a, 'y', '2')
    await expect.poll(() => shown).toEqual({ x: '1', y: '2' })
    expect(b.seq).toBe(3)
  })
})

describe('servers that start at once on an empty Redis', () => {
  test('are one node, with one epoch, and one of them leads', { timeout: LIMIT_MS }, async () => {
    const began = await countEpochs()
    const stores = await Promise.all(Array.from({ length: 4 }, () => openServer()))
    expect(new Set(stores.map(({ nodeId }) => nodeId)).size).toBe(1)
    expect(new Set(stores.map(({ epoch }) => epoch)).size).toBe(1)
    const leading = (): number => {
      let count = 0
      for (const store of stores) store.lead((leads) => (count += leads ? 1 : 0))()
      return count
    }
    await expect.poll(leading).toBe(1)
    await Promise.all(stores.map((store, i) => set(store, `x/${i}`, `${i}`)))
    for (const store of stores) expect(seen(await store.list('**'))).toEqual(range(4))
    expect(began()).toBe(0)
  })

  test('under two ids: one gets it, the other is refused', { timeout: LIMIT_MS }, async () => {
    const opening = ['one', 'two'].map((id) => openServer({}, redis.url, id))
    const outcomes = await Promise.allSettled(opening)
    const opened = outcomes.filter(({ status }) => status === 'fulfilled')
    const [refused] = outcomes.filter((each) => each.status === 'rejected')
    expect(opened).toHaveLength(1)
    expect(refused?.reason).toMatchObject({ code: 'SKERRY_OPTION_INVALID' })
  })
})

describe('a leader that stood still while another took over', () => {
  const position: Position = { epoch: 'e', run: 'r', seq: 7 }
  const steps: [string, ScriptName, (store: RedisStore) => Promise<unknown>][] = [
    ['merge', 'skerryCommit', (store) => store.merge([version('late', 1, '1')], { peer: 'p' })],
    [
      'checkpoint',
      'skerryCommit',
      (store) => {
        const ownEpoch = store.epoch
        return store.saveCheckpoints([{ peer: 'p', key: '**', position, ownEpoch }])
      },
    ],
    ['new epoch', 'skerryRenew', (store) => store.renewEpoch()],
  ]
  for (const [what, script, step] of steps) {
    test(
      `its ${what} arrives late and is refused with SKERRY_LEASE_LOST`,
      { timeout: LIMIT_MS },
      async () => {
        const link = await HeldLink.to(redis.port)
        cleanUp.push(() => link.close())
        const slow = await openServer({ timeoutMs: PATIENT_MS }, link.url)
        const other = await openServer()
        await slow.merge([version('early', 1, '1')], { peer: 'p' })
        // From the second time on a script goes by its hash, which the link can tell.
        await slow.renewEpoch()
        await expect.poll(() => other.epoch).toBe(slow.epoch)
        const led: boolean[] = []
        other.lead((leads) => led.push(leads))
        const { epoch } = slow

        const still = link.standStillAt(shaOf(script))
        const outcome = step(slow).then(
          () => 'done',
          (error: unknown) => error,
        )
        await Promise.race([still, outcome.then((early) => expect.fail(String(early)))])
        await expect.poll(() => led, POLL).toEqual([false, true])
        await other.merge([version('theirs', 1, '1')], { peer: 'p' })
        link.release()

        expect(await outcome).toMatchObject({ code: 'SKERRY_LEASE_LOST' })
        expect(seen(await other.list('**'))).toEqual({ early: '1', theirs: '1' })
        expect(await admin.hget(HEAD, 'epoch')).toBe(epoch)
        expect(await admin.zrangebylex('skerry:{faults}:index', '[c', '(d')).toEqual([])
        expect(slow.checkpoint('p', '**')).toBeUndefined()
        await set(slow, 'own', '1')
        expect((await other.read('own'))?.data).toBe('1')
      },
    )
  }

  test('forget on a server that does not lead is refused', { timeout: LIMIT_MS }, async () => {
    const store = redisStore(redis.url, { name: 'faults', leaseMs: 600 })
    const urls: string[] = []
    for (let i = 0; i < 2; i++) {
      const server = await createServer({ store, port: 0 })
      await server.listen()
      cleanUp.push(() => server.close())
      urls.push(server.url)
    }
    const forget = async (url: string) => {
      const body = JSON.stringify({ node: 'gone' })
      const response = await fetch(`${url}/_skerry/forget`, { method: 'POST', body })
      return [response.status, await response.text()] as const
    }
    const [status, text] = await forget(urls[1]!)
    expect([status, JSON.parse(text)]).toMatchObject([503, { code: 'SKERRY_LEASE_LOST' }])
    const [led] = await forget(urls[0]!)
    expect(led).not.toBe(503)
  })
})

test(
  'a Redis that stands still: all writes are refused by their code, and nothing acknowledged is lost',
  { timeout: LIMIT_MS },
  async () => {
    const stores = [await openServer({ timeoutMs: 500 }), await openServer({ timeoutMs: 500 })]
    const [a, b] = stores as [RedisStore, RedisStore]
    await writeRange(a, 0, 20)
    const { epoch } = a
    // The script of this write is on its way, and not done, when Redis stops.
    await admin.call('CLIENT', 'PAUSE', PATIENT_MS, 'WRITE')
    let begun: () => void = () => undefined
    const decided = new Promise<void>((resolve) => (begun = resolve))
    const doubtful = a.write([{ path: 'doubt', decide: () => (begun(), '1') }])
    const doubt = expect(doubtful).rejects.toMatchObject({ code: 'SKERRY_WRITE_UNCERTAIN' })
    await decided
    redis.signal('SIGSTOP')
    cleanUp.push(() => redis.signal('SIGCONT'))
    await doubt
    const unavailable = { code: 'SKERRY_REDIS_UNAVAILABLE' }
    for (const store of stores) {
      await expect(store.write([put('x/0', '"refused"')])).rejects.toMatchObject(unavailable)
      await expect(store.read('x/0')).rejects.toMatchObject(unavailable)
      await expect.poll(() => store.available).toBe(false)
    }

    redis.signal('SIGCONT')
    await admin.call('CLIENT', 'UNPAUSE')
    await setAtLast(b, 'after', '1')
    await setAtLast(a, 'doubt', '2')
    const all = { ...range(20), after: '1', doubt: '2' }
    for (const store of stores) {
      await expect.poll(async () => seen(await store.list('**')), POLL).toEqual(all)
      await expect.poll(() => store.available, POLL).toBe(true)
      expect(store.epoch).toBe(epoch)
    }
  },
)
