import { expect, onTestFinished, test, type TestContext } from 'vitest'
import { serve, scratchDir, type Serving } from '../cli/command.ts'
import { RedisServer, whyNoRedis } from '../redis-server.ts'
import { Client } from '../server/client.ts'

// Real processes: two servers on one Redis are one node, linked with an ordinary one.

const WRITERS = 12
/** Enough writes between two faults for each server to have many in flight. */
const ROUND = 400
const LONG_MS = 180_000

/** Each path has one writer, whose numbers grow: what is found is the last acknowledged one or a later one. */
class Writer {
  readonly path: string
  acknowledged = -1
  next = 0
  readonly #target: () => string

  constructor(path: string, target: () => string) {
    this.path = path
    this.#target = target
  }

  /** True if it was acknowledged. */
  async write(): Promise<boolean> {
    const value = this.next++
    try {
      const body = JSON.stringify(value)
      const response = await fetch(`${this.#target()}/${this.path}`, { method: 'POST', body })
      await response.arrayBuffer()
      // Whatever is away or unsure says so: never 4xx, nor an error that nobody foresaw.
      if (!response.ok) expect([503, 504]).toContain(response.status)
      if (response.ok) this.acknowledged = value
      return response.ok
    } catch (error) {
      if (error instanceof TypeError) return false
      throw error
    }
  }
}

interface Found {
  readonly path: string
  readonly data: number
}

async function list(url: string): Promise<Record<string, number>> {
  const entries = (await (await fetch(`${url}/c/*`)).json()) as Found[]
  return Object.fromEntries(entries.map(({ path, data }) => [path, data]))
}

function copyOf({ watcher }: Client): Record<string, number> {
  const entries = (watcher.copy ?? []) as Found[]
  return Object.fromEntries(entries.map(({ path, data }) => [path, data]))
}

async function status(url: string): Promise<{ leads: boolean; ready: boolean; epoch: string }> {
  return (await (await fetch(`${url}/_skerry/status`)).json()) as never
}

/** A Redis, an ordinary node, and the flags of servers on that Redis which link with that node. */
async function besideOrdinary(context: TestContext) {
  const why = whyNoRedis()
  if (why) context.skip(why)
  const redis = await RedisServer.start()
  onTestFinished(() => redis.stop())
  const ordinary = await serve(`--data=${scratchDir()}`)
  return { redis, ordinary, flags: [`--redis=${redis.url}`, `--peer=${ordinary.url}`] }
}

test(
  'kill -9 of the leading server and of Redis lose nothing acknowledged, and all come to agree',
  { timeout: LONG_MS },
  async (context) => {
    const { redis, ordinary, flags } = await besideOrdinary(context)
    let first: Serving = await serve(...flags)
    const second = await serve(...flags)
    expect(second.id).toBe(first.id)
    expect([(await status(first.url)).leads, (await status(second.url)).leads]).toEqual([
      true,
      false,
    ])
    const watching = await Client.open(second.url, 'c/*')

    const targets = [() => first.url, () => second.url, () => ordinary.url]
    const writers = Array.from(
      { length: WRITERS },
      (_, i) => new Writer(`c/${i}`, targets[i % targets.length]!),
    )
    let acknowledged = 0
    let over = false
    const failures: unknown[] = []
    const working = writers.map(async (writer) => {
      while (!over) {
        if (await writer.write()) acknowledged++
        else await new Promise((resolve) => setImmediate(resolve))
      }
    })
    for (const work of working) work.catch((error: unknown) => failures.push(error))
    const another = async (): Promise<void> => {
      const goal = acknowledged + ROUND
      await expect.poll(() => acknowledged, { timeout: LONG_MS }).toBeGreaterThan(goal)
    }

    await another()
    first.command.kill('SIGKILL')
    await expect.poll(async () => (await status(second.url)).leads).toBe(true)
    await another()
    first = await serve(...flags)
    expect((await status(first.url)).leads).toBe(false)
    const again = await Client.open(first.url, 'c/*')
    await another()

    const { epoch } = await status(second.url)
    await redis.kill()
    await expect.poll(async () => (await fetch(`${second.url}/readyz`)).status).toBe(503)
    await redis.start()
    await expect.poll(async () => (await fetch(`${second.url}/readyz`)).status).toBe(200)
    await another()
    expect((await status(second.url)).epoch, 'another Redis, as far as anybody knows').not.toBe(
      epoch,
    )
    over = true
    await Promise.all(working)
    expect(failures).toEqual([])

    const urls = [second.url, ordinary.url]
    const differing = async (): Promise<string[]> => {
      const here = JSON.stringify(await list(first.url))
      const there = await Promise.all(urls.map(list))
      return urls.filter((_, i) => JSON.stringify(there[i]) !== here)
    }
    await expect.poll(differing, { timeout: LONG_MS }).toEqual([])
    const found = await list(first.url)
    const lost = writers.filter(({ path, acknowledged: last }) => !((found[path] ?? -1) >= last))
    expect(lost).toEqual([])
    const invented = writers.filter(({ path, next }) => found[path]! >= next)
    expect(invented).toEqual([])
    await expect.poll(() => [copyOf(watching), copyOf(again)]).toEqual([found, found])
  },
)

test(
  'a leading process that was stopped and goes on leads no more, and shows what was done without it',
  { timeout: LONG_MS },
  async (context) => {
    const { ordinary, flags } = await besideOrdinary(context)
    const [first, second] = [await serve(...flags), await serve(...flags)]
    const patient = { timeout: LONG_MS }
    const write = async ({ url }: Serving, path: string): Promise<void> => {
      const response = await fetch(`${url}/${path}`, { method: 'POST', body: '1' })
      expect(response.status).toBe(200)
      await response.arrayBuffer()
    }
    await write(ordinary, 'c/early')
    await expect.poll(() => list(second.url), patient).toEqual({ 'c/early': 1 })

    first.command.kill('SIGSTOP')
    onTestFinished(() => first.command.kill('SIGCONT'))
    await expect.poll(async () => (await status(second.url)).leads, patient).toBe(true)
    await write(second, 'c/second')
    await write(ordinary, 'c/ordinary')
    const all = { 'c/early': 1, 'c/second': 1, 'c/ordinary': 1 }
    for (const { url } of [second, ordinary]) {
      await expect.poll(() => list(url), patient).toEqual(all)
    }

    first.command.kill('SIGCONT')
    await expect.poll(async () => (await status(first.url)).leads, patient).toBe(false)
    await write(first, 'c/first')
    await write(ordinary, 'c/late')
    for (const { url } of [first, second, ordinary]) {
      await expect.poll(() => list(url), patient).toEqual({ ...all, 'c/first': 1, 'c/late': 1 })
    }
    expect((await status(second.url)).leads).toBe(true)
    expect((await status(first.url)).epoch).toBe((await status(second.url)).epoch)
  },
)
