import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { scratchDir, serve } from '../cli/command.ts'
import { Visitor } from './page.ts'

/** The most that script and style of the dashboard may weigh, compressed, in bytes. */
const MAX_DASHBOARD_BYTES = 40_000

function built(file: string): Buffer {
  return readFileSync(new URL(`../../dist/dashboard/${file}`, import.meta.url))
}

function write(url: string, path: string, data: string, method = 'POST'): Promise<Response> {
  return fetch(`${url}/${path}`, { method, body: data })
}

test('the dashboard, with all that it is made of, weighs less than 40 kB', () => {
  const bytes = ['index.html', 'main.js', 'main.css', 'icon.svg'].map(
    (file) => gzipSync(built(file), { level: 9 }).length,
  )
  const sum = bytes.reduce((all, one) => all + one)
  expect(sum).toBeLessThanOrEqual(MAX_DASHBOARD_BYTES)
})

test('in Chromium: a write made elsewhere shows by itself, in the entry and in the list', async (context) => {
  const visitor = await Visitor.open(context)
  const { url } = await serve('--memory')
  await write(url, 'users/ada', '{"name":"Ada"}')
  const dashboard = await visitor.visit(url, 'data?filter=users/*&open=users/ada')
  await expect.poll(() => dashboard.value.innerText()).toContain('"name": "Ada"')
  await dashboard.entry.getByText('live', { exact: true }).waitFor()
  await write(url, 'users/ada', '{"name":"Ada Lovelace"}')
  await expect.poll(() => dashboard.value.innerText()).toContain('Ada Lovelace')
  await write(url, 'users/*', '"pushed"')
  await dashboard.shows('2 keys')
  await dashboard.shows('"pushed"')
  await fetch(`${url}/users/ada`, { method: 'DELETE' })
  await dashboard.shows('Nothing is stored here.')
  await dashboard.shows('1 key')
  expect(visitor.complaints).toEqual([])
})

test('in Chromium: a search finds by text and by glob, page by page, and the way back leads back', async (context) => {
  const visitor = await Visitor.open(context)
  const { url } = await serve('--memory')
  const items = Array.from({ length: 120 }, (_, n) => ({ op: 'set', path: `box/${n}`, data: n }))
  await write(url, '_skerry/batch', JSON.stringify([...items, { op: 'set', path: 'a', data: 1 }]))
  const dashboard = await visitor.visit(url, 'data')
  await dashboard.shows('121 keys')
  expect(await dashboard.keys.count()).toBe(50)
  await dashboard.button('Next').click()
  await dashboard.shows('2 of 3')
  const search = dashboard.page.getByRole('searchbox')
  await search.fill('box/11')
  await dashboard.shows('11 keys')
  await search.fill('box/*')
  await dashboard.shows('120 keys')
  await dashboard.shows('live')
  await dashboard.page.getByRole('link', { name: 'box/119' }).click()
  await expect.poll(() => dashboard.value.innerText()).toBe('119')
  await dashboard.page.goBack()
  await expect.poll(() => dashboard.entry.count()).toBe(0)
  expect(visitor.complaints).toEqual([])
})

test('in Chromium: an edit keeps every digit, and is not saved over what somebody else wrote', async (context) => {
  const visitor = await Visitor.open(context)
  const { url } = await serve('--memory')
  await write(url, 'n', '{"id":9007199254740993,"price":1.10}')
  const dashboard = await visitor.visit(url, 'data?open=n')
  await dashboard.button('Edit').click()
  const area = dashboard.editor.locator('textarea')
  expect(await area.inputValue()).toBe('{\n  "id": 9007199254740993,\n  "price": 1.10\n}')
  await area.fill('{"id":9007199254740995}')
  await write(url, 'n', '{"theirs":1}')
  await dashboard.shows('Somebody else wrote this meanwhile')
  await dashboard.button('Save').click()
  await dashboard.shows('SKERRY_PRECONDITION_FAILED')
  expect(await (await fetch(`${url}/n`)).text()).toContain('"data":{"theirs":1}')
  await dashboard.button('Overwrite with mine').click()
  await expect.poll(() => dashboard.value.innerText()).toContain('9007199254740995')
  expect(await (await fetch(`${url}/n`)).text()).toContain('"data":{"id":9007199254740995}')
})

test('in Chromium: what the node refuses is shown with its code, and nothing typed is lost', async (context) => {
  const visitor = await Visitor.open(context)
  const { url } = await serve('--memory')
  await write(url, 'a', '1')
  const dashboard = await visitor.visit(url, 'data?open=a')
  await dashboard.button('Edit').click()
  const area = dashboard.editor.locator('textarea')
  await area.fill('{"half":')
  await area.press('Control+Enter')
  await dashboard.shows('SKERRY_JSON_INVALID')
  expect(await area.inputValue()).toBe('{"half":')
  await area.press('Escape')
  await expect.poll(() => dashboard.value.innerText()).toBe('1')
  await dashboard.button('New…').click()
  const form = dashboard.page.getByRole('form', { name: 'New entry' })
  await form.getByLabel('Path').fill('a')
  await dashboard.button('Create').click()
  await dashboard.shows('SKERRY_PRECONDITION_FAILED')
  await form.getByLabel('Path').fill('list/*')
  await form.getByLabel('JSON').fill('"first"')
  await dashboard.button('Push').click()
  await expect.poll(() => dashboard.value.innerText()).toBe('"first"')
  const list = (await (await fetch(`${url}/list/*`)).json()) as { path: string }[]
  expect(list).toHaveLength(1)
  await dashboard.button('Delete…').click()
  await dashboard.button('Keep').click()
  await dashboard.button('Delete…').click()
  await dashboard.button('Delete').click()
  await dashboard.shows('Nothing is stored here.')
  expect(await (await fetch(`${url}/list/*`)).json()).toEqual([])
})

test('in Chromium: hostile data is text, and a large value is cut until all of it is asked for', async (context) => {
  const visitor = await Visitor.open(context)
  const { url } = await serve('--memory')
  const attack = '<img src=x onerror="globalThis.hurt=1"><script>globalThis.hurt=1</script>'
  await write(url, 'evil/1', JSON.stringify({ [attack]: attack }))
  await write(url, 'evil/2', JSON.stringify({ large: 'x'.repeat(1_000_000) + 'end' }))
  const dashboard = await visitor.visit(url, 'data?filter=evil/*&open=evil/1')
  await expect.poll(() => dashboard.value.innerText()).toContain('onerror')
  await dashboard.shows('2 keys')
  await dashboard.open('evil/2')
  await dashboard.button('Show all 1.0 MB').click()
  await expect.poll(async () => (await dashboard.value.innerText()).length).toBeGreaterThan(1e6)
  const search = dashboard.page.getByRole('searchbox')
  await search.fill(attack)
  await dashboard.shows('0 keys')
  for (const path of [attack, '//evil.example/a', '../a', '_skerry/status']) {
    await dashboard.moves(`data?open=${encodeURIComponent(path)}`)
    await dashboard.entry.getByRole('alert').first().waitFor()
  }
  expect(await dashboard.page.evaluate('globalThis.hurt')).toBeUndefined()
  expect(await dashboard.page.locator('img').count()).toBe(1)
  expect(visitor.complaints).toEqual([])
})

test('in Chromium: a node that is killed is said to be out of reach, and is there again by itself', async (context) => {
  const visitor = await Visitor.open(context)
  const data = scratchDir()
  const first = await serve('--data', data)
  await write(first.url, 'a', '"before"')
  const dashboard = await visitor.visit(first.url, 'data?open=a')
  await expect.poll(() => dashboard.value.innerText()).toBe('"before"')
  first.command.kill('SIGKILL')
  await first.command.ending()
  await dashboard.shows('The node can not be reached')
  await dashboard.shows('not live')
  expect(await dashboard.value.innerText()).toBe('"before"')
  const { port } = new URL(first.url)
  const again = await serve('--data', data, `--port=${port}`)
  expect(again.url).toBe(first.url)
  await write(again.url, 'a', '"after"')
  await expect.poll(() => dashboard.value.innerText(), { timeout: 60_000 }).toBe('"after"')
  await expect.poll(() => dashboard.page.locator('.banner').count()).toBe(0)
}, 120_000)
