import type { Page } from 'playwright-core'
import { expect, test, type TestContext } from 'vitest'
import type { Server } from '../../src/index.ts'
import { runningNode } from '../server/running.ts'
import { PageServer } from './bundle.ts'
import { Browser, whyNoChromium } from './chromium.ts'
import { Cutter } from './cutter.ts'
import type { OooDriver } from './pages/ooo.ts'

const missing = { created: 0, updated: 0, index: '', data: {} }

/** An entry as ooo-client reads it. */
interface Read {
  created: number
  updated: number
  index: string
  path: string
  data: { n?: number }
}

/** A page that uses ooo-client, and the node it talks to by a way that can be cut. */
class Scene {
  readonly server: Server
  readonly cutter: Cutter
  readonly browser: Browser
  readonly page: Page

  constructor(server: Server, cutter: Cutter, browser: Browser, page: Page) {
    this.server = server
    this.cutter = cutter
    this.browser = browser
    this.page = page
  }

  static async open(context: TestContext): Promise<Scene> {
    const why = whyNoChromium()
    if (why !== undefined) context.skip(why)
    const pages = await PageServer.open('test/browser/pages/ooo.ts')
    const server = await runningNode({ allowedOrigins: [pages.origin] })
    const cutter = await Cutter.open(Number(new URL(server.url).port))
    const browser = await Browser.open()
    return new Scene(server, cutter, browser, await browser.visit(pages.origin))
  }

  /** Has the page call ooo-client; what it has said is under the number that comes back. */
  watch(path: string, protocols: string[] = []): Promise<number> {
    return this.call('open', `${this.cutter.host}/${path}`.replace(/\/$/, ''), protocols)
  }

  call<N extends keyof OooDriver>(
    name: N,
    ...given: Parameters<OooDriver[N]>
  ): Promise<Awaited<ReturnType<OooDriver[N]>>> {
    return this.page.evaluate(
      ([called, args]) => {
        const { driver } = globalThis as unknown as { driver: Record<string, Called> }
        return driver[called]!(...args)
      },
      [name, given] as [string, unknown[]],
    ) as Promise<Awaited<ReturnType<OooDriver[N]>>>
  }

  get(path: string): Promise<unknown> {
    return fetch(`${this.server.url}/${path}`).then((response) =>
      response.status === 404 ? missing : response.json(),
    )
  }

  write(path: string, data: unknown): Promise<Response> {
    return fetch(`${this.server.url}/${path}`, { method: 'POST', body: JSON.stringify(data) })
  }

  remove(path: string): Promise<Response> {
    return fetch(`${this.server.url}/${path}`, { method: 'DELETE' })
  }

  /** Waits until the page holds what the node answers. */
  async agreed(at: number, path: string): Promise<void> {
    await expect
      .poll(async () => JSON.stringify(await this.call('cache', at)))
      .toBe(JSON.stringify(await this.get(path)))
  }
}

type Called = (...given: unknown[]) => unknown

test('ooo-client: an object is created, overwritten and deleted', async (context) => {
  const scene = await Scene.open(context)
  const at = await scene.watch('box')
  await expect.poll(() => scene.call('count', at)).toBe(1)
  expect(await scene.call('publish', at, 'box', { name: 'a box 🧰' })).toBe('box')
  await scene.call('publish', at, 'box', { name: 'still a box 💾' })
  await scene.call('unpublish', at, 'box')
  await expect.poll(() => scene.call('count', at)).toBe(4)
  const seen = (await scene.call('seen', at)) as Read[]
  expect(seen[0]).toEqual(missing)
  expect(seen[1]).toMatchObject({ updated: 0, index: 'box', data: { name: 'a box 🧰' } })
  expect(seen[1]!.created).toBeGreaterThan(1e18)
  expect(seen[2]).toMatchObject({ created: seen[1]!.created, data: { name: 'still a box 💾' } })
  expect(seen[2]!.updated).toBeGreaterThan(seen[2]!.created)
  expect(seen[3]).toEqual(missing)
  expect(scene.browser.failures).toEqual([])
})

test('ooo-client: a list grows, changes, shrinks, and is emptied in one message', async (context) => {
  const scene = await Scene.open(context)
  const at = await scene.watch('things/*')
  await expect.poll(() => scene.call('count', at)).toBe(1)
  const ids: string[] = []
  for (let n = 0; n < 10; n++) ids.push(await scene.call('publish', at, 'things/*', { n }))
  for (const id of ids) await scene.call('publish', at, `things/${id}`, { name: `name of ${id}` })
  await scene.call('unpublish', at, `things/${ids[4]}`)
  await scene.agreed(at, 'things/*')
  await scene.call('unpublish', at, 'things/*')
  await expect.poll(() => scene.call('count', at)).toBe(1 + 10 + 10 + 1 + 1)
  const seen = (await scene.call('seen', at)) as Read[][]
  expect(seen.map((list) => list.length)).toEqual([
    ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...Array<number>(10).fill(10)],
    ...[9, 0],
  ])
  expect(seen[10]!.map(({ index }) => index)).toEqual([...ids].reverse())
  expect(scene.browser.failures).toEqual([])
})

test('ooo-client: the clock ticks', async (context) => {
  const scene = await Scene.open(context)
  const at = await scene.watch('')
  await expect.poll(() => scene.call('count', at)).toBeGreaterThan(1)
  const [first, second] = (await scene.call('seen', at)) as number[]
  expect(first).toBeGreaterThan(1e18)
  expect(second! - first!).toBeGreaterThan(5e8)
})

test('ooo-client: get reads entries, lists and globs of several stars', async (context) => {
  const scene = await Scene.open(context)
  const at = await scene.watch('box/*')
  expect(await scene.call('get', at, 'box/*')).toEqual([])
  await scene.call('publish', at, 'box/1/things/1', { name: 'in box 1' })
  await scene.call('publish', at, 'box/2/things/0', { name: 'in box 2' })
  const list = (await scene.call('get', at, 'box/*/things/*')) as Read[]
  expect(list.map(({ data }) => data)).toEqual([{ name: 'in box 2' }, { name: 'in box 1' }])
  expect(await scene.call('get', at, 'box/2/things/0')).toEqual(list[0])
})

test('ooo-client: the keys are listed at the root', async (context) => {
  const scene = await Scene.open(context)
  const at = await scene.watch('box')
  expect(await scene.call('stats', at)).toMatchObject({ keys: [] })
  await scene.call('publish', at, 'box', { name: 'a box' })
  await scene.call('publish', at, 'a/b/c', 1)
  expect(await scene.call('stats', at)).toMatchObject({ keys: ['a/b/c', 'box'] })
  await scene.call('unpublish', at, 'box')
  expect(await scene.call('stats', at)).toMatchObject({ keys: ['a/b/c'] })
})

test('ooo-client: after a cut it comes back with its version, and gets only what it missed', async (context) => {
  const scene = await Scene.open(context)
  const opened: { url: string; frames: string[] }[] = []
  scene.page.on('websocket', (socket) => {
    const frames: string[] = []
    opened.push({ url: socket.url(), frames })
    socket.on('framereceived', ({ payload }) => frames.push(payload.toString()))
  })
  await scene.write('box/a', { n: 1 })
  const at = await scene.watch('box/*')
  await scene.agreed(at, 'box/*')
  scene.cutter.drop()
  await expect.poll(() => opened.length).toBe(2)
  const { version } = JSON.parse(opened[0]!.frames.at(-1)!) as { version: string }
  expect(opened[1]!.url).toContain(`?v=${version}`)
  await expect.poll(async () => (await scene.call('events', at)).at(-1)).toBe('onopen')
  // Nothing had changed, so the next change is the first that it hears of.
  await scene.write('box/b', { n: 2 })
  await scene.agreed(at, 'box/*')
  expect(opened[1]!.frames).toHaveLength(1)
  scene.cutter.cut()
  await scene.write('box/c', { n: 3 })
  await scene.remove('box/a')
  scene.cutter.mend()
  await scene.agreed(at, 'box/*')
  expect(scene.browser.failures).toEqual([])
})

test('ooo-client: a page that is frozen and wakes up is right again', async (context) => {
  const scene = await Scene.open(context)
  await scene.write('box/a', { n: 1 })
  const at = await scene.watch('box/*')
  await scene.agreed(at, 'box/*')
  await scene.browser.tell(scene.page, 'freeze')
  await expect.poll(() => scene.call('events', at)).toContain('onclose')
  await scene.write('box/b', { n: 2 })
  await scene.remove('box/a')
  await scene.browser.tell(scene.page, 'resume')
  await scene.agreed(at, 'box/*')
  const events = await scene.call('events', at)
  expect(events).toEqual(['onopen', 'onfrozen', 'onclose', 'onresume', 'onopen'])
  expect(scene.browser.failures).toEqual([])
})

test('ooo-client: a token goes with the sub-protocol', async (context) => {
  const scene = await Scene.open(context)
  const at = await scene.watch('box', ['bearer', 'a-token'])
  await expect.poll(() => scene.call('last', at)).toEqual(missing)
})

test('ooo-client: under concurrent writes and cuts each state it sees is one that was, and the last is the last', async (context) => {
  const scene = await Scene.open(context)
  const list = await scene.watch('race/*')
  const single = await scene.watch('race/3')
  await expect.poll(() => scene.call('count', list)).toBe(1)
  const counters = new Array<number>(12).fill(0)
  const writer = async (worker: number): Promise<void> => {
    for (let turn = 0; turn < 40; turn++) {
      const key = worker * 3 + (turn % 3)
      if (turn % 7 === 6) await scene.remove(`race/${key}`)
      else await scene.write(`race/${key}`, { n: ++counters[key]! })
      if (turn % 10 === worker) scene.cutter.drop()
      if (turn % 5 === 0) await scene.get('race/*')
    }
  }
  await Promise.all([0, 1, 2, 3].map(writer))
  await scene.agreed(list, 'race/*')
  await scene.agreed(single, 'race/3')
  const newest = new Map<string, number>()
  for (const state of (await scene.call('seen', list)) as Read[][]) {
    const times = state.map(({ created }) => created)
    expect(times).toEqual([...times].sort((a, b) => b - a))
    expect(new Set(state.map(({ path }) => path)).size).toBe(state.length)
    for (const { path, data } of state) {
      expect(data.n).toBeGreaterThanOrEqual(newest.get(path) ?? 0)
      newest.set(path, data.n!)
    }
  }
  expect(scene.browser.failures).toEqual([])
})
