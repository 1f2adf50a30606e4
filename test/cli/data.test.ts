import { expect, test } from 'vitest'
import { run, scratchDir, serve, SkerryCommand } from './command.ts'

async function node() {
  const { url } = await serve('--memory')
  const skerry = async (...args: string[]) => run([...args], { SKERRY_URL: url })
  return { url, skerry }
}

test('set, get, patch, delete: the data goes in and comes out as the very text', async () => {
  const { skerry } = await node()
  expect(await skerry('set', 'settings', '{"n": 12345678901234567890}')).toMatchObject({
    code: 0,
    stdout: 'settings\n',
    stderr: '',
  })
  expect((await skerry('get', 'settings')).stdout).toBe('{"n": 12345678901234567890}\n')
  await skerry('patch', 'settings', '{"theme":"dark"}')
  await skerry('patch', 'settings', '[{"op":"replace","path":"/theme","value":"light"}]')
  const { stdout } = await skerry('get', 'settings', '--json')
  expect(stdout).toMatch(/^\{"created":\d{19},"updated":\d{19},"index":"settings",.*\}\n$/)
  expect(stdout).toContain('12345678901234567890')
  expect(JSON.parse(stdout)).toMatchObject({ data: { theme: 'light' } })
  expect(await skerry('delete', 'settings')).toMatchObject({ code: 0, stdout: 'settings\n' })
  const gone = await skerry('get', 'settings')
  expect(gone).toMatchObject({ code: 1, stdout: '' })
  expect(gone.stderr).toMatch(/^SKERRY_NOT_FOUND: .*settings.*\n$/)
})

test('push prints the path it made, list prints paths and data, newest first', async () => {
  const { skerry } = await node()
  const first = (await skerry('push', 'users/*', '{"name":"Ada"}')).stdout.trim()
  const second = (await skerry('push', 'users/*', '{"name":"Grace"}')).stdout.trim()
  expect(first).toMatch(/^users\/[0-9a-f]{24}$/)
  const listed = await skerry('list', 'users/*')
  expect(listed.stdout).toBe(`${second}\t{"name":"Grace"}\n${first}\t{"name":"Ada"}\n`)
  const { stdout } = await skerry('list', 'users/*', '--json')
  expect(JSON.parse(stdout)).toMatchObject([{ path: second }, { path: first }])
  await skerry('delete', 'users/*')
  expect((await skerry('list', 'users/*')).stdout).toBe('')
})

test('a write that too few nodes have in time is printed, and ends with 1 and their names', async () => {
  const { url } = await serve('--data', scratchDir(), '--id', 'alone', '--leader', '127.0.0.1:9')
  const write = (...args: string[]) => run([...args, '--url', url])
  expect(await write('set', 'a', '1', '--commit', 'ONE')).toMatchObject({ code: 0, stdout: 'a\n' })
  const flags = ['--commit', 'ALL', '--commit-timeout-ms', '1']
  const short = await write('push', 'log/*', '1', ...flags)
  expect(short).toMatchObject({ code: 1, stdout: expect.stringMatching(/^log\/.+\n$/) as string })
  expect(short.stderr).toMatch(/^SKERRY_COMMIT_UNREACHED: .*alone.*127\.0\.0\.1:9.*\n$/)
  const asJson = await write('delete', 'a', '--json', ...flags)
  expect(JSON.parse(asJson.stdout)).toEqual({
    index: 'a',
    committed: ['alone'],
    missing: ['127.0.0.1:9'],
  })
  const bad = await write('set', 'a', '1', '--commit', 'most')
  expect(bad).toMatchObject({ code: 1, stdout: '' })
  expect(bad.stderr).toMatch(/^SKERRY_COMMIT_INVALID: /)
})

test('the value - is read from stdin', async () => {
  const { url } = await serve('--memory')
  const command = new SkerryCommand(['set', 'notes', '-', '--url', url], {}, '"from stdin"')
  expect(await command.ending()).toMatchObject({ code: 0, stdout: 'notes\n' })
  expect((await run(['get', 'notes', '--url', url])).stdout).toBe('"from stdin"\n')
})

test('what the node refuses ends with exit 1 and its code, on one line', async () => {
  const { skerry } = await node()
  const cases: [string[], RegExp][] = [
    [['set', 'users//1', '1'], /^SKERRY_PATH_INVALID: /],
    [['set', 'metrics', '1'], /^SKERRY_PATH_RESERVED: /],
    [['set', 'a', '{"a":'], /^SKERRY_JSON_INVALID: /],
    [['patch', 'nix', '{}'], /^SKERRY_NOT_FOUND: /],
    [['delete', 'nix'], /^SKERRY_NOT_FOUND: /],
    [['get', 'a b?c#d'], /^SKERRY_PATH_INVALID: /],
  ]
  for (const [args, said] of cases) {
    const { code, stdout, stderr } = await skerry(...args)
    expect(stderr).toMatch(said)
    expect(stderr.trimEnd()).not.toContain('\n')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  }
})

test('wrong usage: exit 2', async () => {
  expect(await run(['get'])).toMatchObject({ code: 2, stdout: '' })
  expect(await run(['set', 'a'])).toMatchObject({ code: 2, stdout: '' })
  expect(await run(['get', 'a', '--url=ftp://x'])).toMatchObject({ code: 2, stdout: '' })
})

test('no node there: exit 1', async () => {
  const { code, stderr } = await run(['get', 'a', '--url=http://127.0.0.1:9'])
  expect({ code, stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^SKERRY_NODE_UNREACHABLE: /) as string,
  })
})
