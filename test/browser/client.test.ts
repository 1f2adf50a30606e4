import type { Page } from 'playwright-core'
import { gzipSync } from 'node:zlib'
import { expect, test, type TestContext } from 'vitest'
import type { Server } from '../../src/index.ts'
import { runningNode } from '../server/running.ts'
import { bundle, PageServer } from './bundle.ts'
import { Browser, whyNoChromium } from './chromium.ts'
import { Cutter } from './cutter.ts'
import type { ClientDriver } from './pages/client.ts'

/** The most that the client may weigh, compressed, in bytes. */
const MAX_BUNDLE_BYTES = 12_000

type Called = (...given: unknown[]) => unknown

/** A page of an application, in a browser that is its user's. */
class Application {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  call<N extends keyof ClientDriver>(
    name: N,
    ...given: Parameters<ClientDriver[N]>
  ): Promise<Awaited<ReturnType<ClientDriver[N]>>> {
    return this.page.evaluate(
      ([called, args]) => {
        const { driver } = globalThis as unknown as { driver: Record<string, Called> }
        return driver[called]!(...args)
      },
      [name, given] as [string, unknown[]],
    ) as Promise<Awaited<ReturnType<ClientDriver[N]>>>
  }

  async shows(path: string, expected: unknown): Promise<void> {
    await expect
      .poll(async () => (await this.call('value', path))?.map(({ data }) => data))
      .toEqual(expected)
  }

  async until(state: Partial<ReturnType<ClientDriver['state']>>): Promise<void> {
    await expect.poll(() => this.call('state')).toMatchObject(state)
  }
}

class Scene {
  readonly server: Server
  readonly cutter: Cutter
  readonly browser: Browser
  readonly #pages: PageServer

  constructor(server: Server, cutter: Cutter, browser: Browser, pages: PageServer) {
    this.server = server
    this.cutter = cutter
    this.browser = browser
    this.#pages = pages
  }

  static async open(context: TestContext): Promise<Scene> {
    const why = whyNoChromium()
    if (why !== undefined) context.skip(why)
    const pages = await PageServer.open('test/browser/pages/client.ts')
    const server = await runningNode({ allowedOrigins: [pages.origin] })
    const cutter = await Cutter.open(Number(new URL(server.url).port))
    return new Scene(server, cutter, await Browser.open(), pages)
  }

  async visit(offline = true): Promise<Application> {
    const application = new Application(await this.browser.visit(this.#pages.origin))
    await application.call('connect', this.cutter.host, offline)
    return application
  }
}

test('the client, all that it imports included, weighs less than 12 kB', async () => {
  const text = await bundle('src/client.ts', { format: 'esm', minify: true })
  expect(gzipSync(text, { level: 9 }).length).toBeLessThanOrEqual(MAX_BUNDLE_BYTES)
})

test('in Chromium: what is written offline survives a reload offline, and is delivered once', async (context) => {
  const scene = await Scene.open(context)
  await scene.server.state.text.set('box/a', '"of the node"')
  const before = await scene.visit()
  await before.call('watch', 'box/*')
  await before.shows('box/*', ['of the node'])
  await before.until({ online: true, pending: 0 })
  scene.cutter.cut()
  await before.until({ online: false })
  const pushed = await before.call('push', 'box/*', 'of the device')
  expect(pushed.outcome).toBe('pending')
  await before.shows('box/*', ['of the device', 'of the node'])
  const [own] = (await before.call('value', 'box/*'))!
  await before.page.close()

  const after = await scene.visit()
  await after.call('watch', 'box/*')
  await after.shows('box/*', ['of the device', 'of the node'])
  await after.until({ online: false, pending: 1 })
  expect((await after.call('value', 'box/*'))![0]).toEqual({ ...own, pending: true })
  scene.cutter.mend()
  // As a browser does when the network is back: by itself the client may wait for half a minute.
  await after.page.evaluate("window.dispatchEvent(new Event('online'))")
  await after.until({ online: true, pending: 0 })
  await expect
    .poll(async () => (await after.call('value', 'box/*'))![0])
    .toEqual({ ...own, pending: false })
  const held = await scene.server.state.text.list('box/*')
  expect(held.map(({ path, created }) => [path, `${created}`])[0]).toEqual([
    own!.path,
    own!.created,
  ])
  expect(scene.browser.failures).toEqual([])
})

test('in Chromium: pages that share a storage deliver each write once and lose none', async (context) => {
  const scene = await Scene.open(context)
  const pages = [await scene.visit(), await scene.visit(), await scene.visit()]
  for (const page of pages) await page.call('watch', 'log/*')
  for (const page of pages) await page.until({ online: true })
  const commits = new Map<string, number>()
  scene.server.store.watch(({ changes }) => {
    for (const { entry } of changes) commits.set(entry.path, (commits.get(entry.path) ?? 0) + 1)
  })
  scene.cutter.cut()
  for (const page of pages) await page.until({ online: false })
  const writes: Promise<unknown>[] = []
  for (let n = 0; n < 60; n++) writes.push(pages[n % 3]!.call('push', 'log/*', n))
  await Promise.all(writes)
  // What one page wrote shows on the others, too.
  for (const page of pages) await page.until({ pending: 60 })
  scene.cutter.mend()
  for (const page of pages) await page.until({ online: true, pending: 0 })
  const data = (await scene.server.state.text.list('log/*')).map((entry) => Number(entry.data))
  expect(data.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, n) => n))
  expect([...commits.values()].every((count) => count === 1)).toBe(true)
  for (const page of pages) expect((await page.call('value', 'log/*'))!).toHaveLength(60)
  expect(scene.browser.failures).toEqual([])
})

test('in Chromium: a frozen page gives its socket up, and is right again when it wakes', async (context) => {
  const scene = await Scene.open(context)
  const page = await scene.visit(false)
  await page.call('watch', 'box/*')
  await page.call('set', 'box/a', 1)
  await page.shows('box/*', [1])
  await scene.browser.tell(page.page, 'freeze')
  await expect.poll(() => scene.cutter.ends).toBe(0)
  await scene.server.state.text.set('box/b', '2')
  await scene.server.state.text.delete('box/a')
  expect(await page.call('live', 'box/*')).toBe(false)
  await scene.browser.tell(page.page, 'resume')
  await page.shows('box/*', [2])
  expect(await page.call('live', 'box/*')).toBe(true)
})

test('in Chromium: a full storage fails the write, and says so', async (context) => {
  const scene = await Scene.open(context)
  const page = await scene.visit()
  await page.until({ online: true })
  // The browser says so when it has no room left; a test can't fill its disk.
  await page.page.evaluate(`IDBObjectStore.prototype.put = () => {
    throw new DOMException('no room', 'QuotaExceededError')
  }`)
  scene.cutter.cut()
  await page.until({ online: false })
  // Both at the same moment: the next try to connect has an error of its own.
  const failed = ['SKERRY_STORAGE_FAILED', 'SKERRY_STORAGE_FAILED']
  expect(await page.call('failure', 'a', 1)).toEqual(failed)
  await page.until({ pending: 0 })
})

test('in Chromium: React shows what is watched, as it changes, and how the client stands', async (context) => {
  const why = whyNoChromium()
  if (why !== undefined) context.skip(why)
  const pages = await PageServer.open('test/browser/pages/react.ts')
  const server = await runningNode({ allowedOrigins: [pages.origin] })
  await server.state.text.set('box/a', '"first"')
  const browser = await Browser.open()
  const page = await browser.visit(`${pages.origin}/#${new URL(server.url).host}`)
  const text = (): Promise<string> => page.innerText('#root')
  await expect.poll(text).toBe('online: first')
  await server.state.text.set('box/b', '"second"')
  await expect.poll(text).toBe('online: second first')
  await page.click('#root')
  await expect.poll(text).toBe('online: nothing')
  // The list is watched by nobody any more, the entry is.
  await expect.poll(() => server.state.text.watched).toBeGreaterThan(0)
  await server.state.text.set('single', '"third"')
  await expect.poll(text).toBe('online: third')
  expect(browser.failures).toEqual([])
})
