import { readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import type { Server, ServerOptions } from '../../src/index.ts'
import { scratchDir, serve } from '../cli/command.ts'
import { runningNode } from '../server/running.ts'
import { Visitor } from './page.ts'

/** The most that script and style of the dashboard may weigh, compressed, in bytes. */
const MAX_DASHBOARD_BYTES = 40_000

const ADMIN = 'admin-0123456789abcdef'
const GUEST = 'guest-0123456789abcdef'

/** A node as it is built: one from the sources has no dashboard. */
async function builtNode(options: ServerOptions): Promise<Server> {
  const door = new URL('../../dist/src/index.js', import.meta.url).href
  const { createServer } = (await import(door)) as typeof import('../../src/index.ts')
  const server = await createServer({ port: 0, memory: true, ...options })
  onTestFinished(() => server.close())
  await server.listen()
  return server
}

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

test('the page and its parts come with a strict policy, and are not sent again if they are known', async () => {
  const { url } = await builtNode({})
  const page = await fetch(url)
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(page.headers.get('content-security-policy')).toContain(
    "default-src 'none'; script-src 'self'",
  )
  expect(page.headers.get('x-content-type-options')).toBe('nosniff')
  expect(await page.text()).toBe(built('index.html').toString())
  const types = {
    'main.js': 'text/javascript',
    'main.css': 'text/css',
    'icon.svg': 'image/svg+xml',
  }
  for (const [file, type] of Object.entries(types)) {
    const part = await fetch(`${url}/_skerry/dashboard/${file}`)
    expect(part.headers.get('content-type')).toContain(type)
    expect(part.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await part.text()).toBe(built(file).toString())
    const headers = { 'if-none-match': part.headers.get('etag')! }
    expect((await fetch(`${url}/_skerry/dashboard/${file}`, { headers })).status).toBe(304)
  }
  for (const none of ['index.html', 'none.js', '..%2fsrc%2findex.js', '__proto__']) {
    expect((await fetch(`${url}/_skerry/dashboard/${none}`)).status).toBe(404)
  }
})

test('a static node, and one that runs from the sources, show a plain page instead', async () => {
  for (const { url } of [await builtNode({ static: true }), await runningNode()]) {
    const page = await fetch(url)
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('This node keeps JSON state')
    expect((await fetch(`${url}/_skerry/dashboard/main.js`)).status).toBe(404)
  }
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

test('in Chromium: a token is asked for when it is needed, kept by the tab, and in no address', async (context) => {
  const visitor = await Visitor.open(context)
  const tokenFile = `${scratchDir()}/tokens.json`
  const tokens = [
    { name: 'admin', token: ADMIN, rights: [{ verbs: ['read', 'write', 'delete', 'admin'] }] },
    { name: 'guest', token: GUEST, rights: [{ verbs: ['read'], paths: ['open/*'] }] },
  ]
  writeFileSync(tokenFile, JSON.stringify({ tokens }))
  const { url } = await serve('--memory', `--token-file=${tokenFile}`)
  const headers = { authorization: `Bearer ${ADMIN}` }
  for (const path of ['open/a', 'closed/a']) {
    await fetch(`${url}/${path}`, { method: 'POST', body: '"secret"', headers })
  }
  const dashboard = await visitor.visit(url)
  const asked: string[] = []
  dashboard.page.on('request', (request) => asked.push(request.url()))
  dashboard.page.on('websocket', (socket) => asked.push(socket.url()))
  await dashboard.shows('This node asks for a token.')
  expect(await dashboard.page.getByText('secret').count()).toBe(0)
  const token = dashboard.page.getByLabel('Token', { exact: true }).locator('input')
  await token.fill('wrong-0123456789abcdef')
  await token.press('Enter')
  await dashboard.shows('The node does not take this token.')
  await token.fill(GUEST)
  await token.press('Enter')
  await dashboard.shows('SKERRY_FORBIDDEN')
  await dashboard.shows('1 key')
  await dashboard.open('open/a')
  await expect.poll(() => dashboard.value.innerText()).toBe('"secret"')
  await dashboard.button('Edit').click()
  await dashboard.button('Save').click()
  await dashboard.editor.getByText('SKERRY_FORBIDDEN').waitFor()
  await dashboard.open('closed/a')
  await dashboard.entry.getByText('SKERRY_FORBIDDEN').waitFor()
  await dashboard.button('Forget token').click()
  await dashboard.shows('This node asks for a token.')
  expect(await dashboard.page.getByText('secret').count()).toBe(0)
  await token.fill(ADMIN)
  await token.press('Enter')
  await dashboard.open('closed/a')
  await expect.poll(() => dashboard.value.innerText()).toBe('"secret"')
  await dashboard.page.reload()
  await expect.poll(() => dashboard.value.innerText()).toBe('"secret"')
  expect(asked.filter((address) => /wrong|guest-|admin-/.test(address))).toEqual([])
  expect(asked.some((address) => address.startsWith('ws:'))).toBe(true)
}, 120_000)

test('in Chromium: schemas are shown, and what one refuses is said', async (context) => {
  const visitor = await Visitor.open(context)
  const schema = { type: 'object', required: ['user'] }
  const server = await builtNode({ filters: { 'sessions/*': { schema, ttlMs: 60_000 } } })
  const dashboard = await visitor.visit(server.url, 'rules')
  await dashboard.shows('sessions/*')
  await dashboard.shows('"required": [')
  await dashboard.shows('1 min')
  await dashboard.tab('Data').click()
  await dashboard.button('New…').click()
  const form = dashboard.page.getByRole('form', { name: 'New entry' })
  await form.getByLabel('Path').fill('sessions/a')
  await dashboard.button('Create').click()
  await dashboard.shows('SKERRY_SCHEMA_VIOLATED')
  await form.getByLabel('JSON').fill('{"user":"ada"}')
  await dashboard.button('Create').click()
  await expect.poll(() => dashboard.value.innerText()).toContain('"user": "ada"')
})

test('in Chromium: what a path held before is shown exactly, and can be restored', async (context) => {
  const visitor = await Visitor.open(context)
  const { url } = await serve('--memory', '--history=docs/*=10')
  await write(url, 'docs/a', '{"n":9007199254740993}')
  await write(url, 'docs/a', '"second"')
  const dashboard = await visitor.visit(url, 'data?open=docs/a')
  await expect.poll(() => dashboard.value.innerText()).toBe('"second"')
  await dashboard.entry.getByText('History', { exact: true }).click()
  await dashboard.shows('superseded')
  await dashboard.entry.getByRole('button', { name: 'Show' }).last().click()
  await dashboard.shows('"n": 9007199254740993')
  await dashboard.button('Restore').click()
  await expect.poll(() => dashboard.value.innerText()).toBe('{\n  "n": 9007199254740993\n}')
  expect(visitor.complaints).toEqual([])
})

test('in Chromium: links, lag and members of a cluster are shown', async (context) => {
  const visitor = await Visitor.open(context)
  const leader = await builtNode({ id: 'the-leader', cluster: { name: 'isles' }, events: {} })
  const { url } = await builtNode({ id: 'the-node', leader: leader.url, peers: ['127.0.0.1:1'] })
  const dashboard = await visitor.visit(url, 'sync')
  await dashboard.shows('the-leader')
  await dashboard.shows('open')
  await dashboard.shows('127.0.0.1:1')
  await dashboard.tab('Node').click()
  await dashboard.shows('1 address can not be reached.')
  expect(await dashboard.tab('Cluster').count()).toBe(0)
  const led = await visitor.visit(leader.url, 'cluster')
  await led.shows('isles')
  await led.shows('alive')
  await led.tab('Events').click()
  await led.shows('Every event is on as many nodes as it should.')
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
