import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { run, scratchDir, serve } from './command.ts'

async function countries(url: string, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, n) => {
    const stamp = 1_700_000_000_000_000_000n + BigInt(n)
    return `{"path":"countries/c${n}","created":${stamp},"updated":0,"origin":"atlas","data":{"n":${n}}}`
  })
  const body = lines.join('\n')
  const response = await fetch(`${url}/_skerry/import`, { method: 'POST', body })
  expect(await response.json()).toEqual({ entries: count, changed: count })
}

const listOf = async (url: string) => (await fetch(`${url}/countries/*`)).text()

test('an export imported into another node gives the same lists, exact times included', async () => {
  const [from, to] = [await serve('--memory'), await serve('--memory')]
  await countries(from.url, 2500)
  await run(['set', 'settings', '{"theme":"dark"}', '--url', from.url])
  const file = join(scratchDir(), 'all.ndjson.gz')
  const exported = await run(['export', file, '--url', from.url])
  expect(exported).toMatchObject({ code: 0, stdout: '', stderr: '2501 entries exported\n' })
  expect(gunzipSync(readFileSync(file)).toString().trimEnd().split('\n')).toHaveLength(2501)

  const imported = await run(['import', file, '--url', to.url])
  expect(imported.stderr).toBe('2501 entries imported, 2501 of them were news\n')
  expect(await listOf(to.url)).toBe(await listOf(from.url))
  const again = await run(['import', file, '--url', to.url])
  expect(again.stderr).toBe('2501 entries imported, 0 of them were news\n')
})

test('export and import of some keys only; - is stdout', async () => {
  const { url } = await serve('--memory')
  await countries(url, 3)
  await run(['set', 'settings', '1', '--url', url])
  const some = await run(['export', '-', '--key', 'countries/c1', 'settings', '--url', url])
  const paths = some.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { path: string }).path)
  expect(paths).toEqual(['countries/c1', 'settings'])
  const file = join(scratchDir(), 'some.ndjson')
  writeFileSync(file, some.stdout)
  const other = await serve('--memory')
  const { stderr } = await run(['import', file, '--key', 'settings', '--url', other.url])
  expect(stderr).toBe('1 entries imported, 1 of them were news\n')
})

test('an import that a bad line ended names the line, keeps what came before, and goes on from there', async () => {
  const [from, to] = [await serve('--memory'), await serve('--memory')]
  await countries(from.url, 2500)
  const file = join(scratchDir(), 'all.ndjson')
  await run(['export', file, '--url', from.url])
  const whole = readFileSync(file, 'utf8')
  const lines = whole.split('\n')
  lines[1700] = '{"path":"countries/x"}'
  writeFileSync(file, lines.join('\n'))
  const broken = await run(['import', file, '--url', to.url])
  expect(broken.code).toBe(1)
  expect(broken.stderr).toMatch(
    /^SKERRY_IMPORT_INVALID: lines 1001 to 2000 of .*line 701 of the request/,
  )
  expect(JSON.parse(await listOf(to.url))).toHaveLength(1000)

  // Whoever mends the file changes it: all of it is merged again, and that changes nothing twice.
  writeFileSync(file, whole)
  const mended = await run(['import', file, '--url', to.url])
  expect(mended.stderr).toBe('2500 entries imported, 1500 of them were news\n')
  expect(await listOf(to.url)).toBe(await listOf(from.url))
  expect(readdirSync(join(file, '..'))).toEqual(['all.ndjson'])
})

test('an import that was cut off goes on with the first line that is not acknowledged', async () => {
  const [from, to] = [await serve('--memory'), await serve('--memory')]
  await countries(from.url, 2500)
  const file = join(scratchDir(), 'all.ndjson')
  await run(['export', file, '--url', from.url])
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  lines.push('{}')
  writeFileSync(file, lines.join('\n'))
  expect((await run(['import', file, '--url', to.url])).code).toBe(1)
  // The same file: only what was not acknowledged is sent again.
  const { stderr } = await run(['import', file, '--url', to.url])
  expect(stderr).toMatch(/^SKERRY_IMPORT_INVALID: lines 2001 to 2501 of /)
  const bookmark = JSON.parse(readFileSync(`${file}.imported`, 'utf8')) as { lines: number }
  expect(bookmark.lines).toBe(2000)
  expect(JSON.parse(await listOf(to.url))).toHaveLength(2000)
})

test('an export leaves no half-written file behind', async () => {
  const directory = scratchDir()
  const file = join(directory, 'all.ndjson')
  expect(await run(['export', file, '--url=http://127.0.0.1:9'])).toMatchObject({ code: 1 })
  expect(readdirSync(directory)).toEqual([])
  const { url } = await serve('--memory')
  const nowhere = await run(['export', join(directory, 'no', 'file'), '--url', url])
  expect(nowhere.stderr).toMatch(/^SKERRY_FILE_FAILED: /)
  expect(nowhere.code).toBe(1)
  const missing = await run(['import', file, '--url', url])
  expect(missing.stderr).toMatch(/^SKERRY_FILE_FAILED: /)
})
