import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { configSchema, settings } from '../../src/cli/schema.ts'
import { flagOf, resolveSettings, variableOf } from '../../src/cli/settings.ts'
import { packageFile, read } from '../repo/sources.ts'
import { run, scratchDir, serve } from './command.ts'

function configFile(text: string): string {
  const file = join(scratchDir(), 'skerry.json')
  writeFileSync(file, text)
  return file
}

describe('where options come from', () => {
  test('nothing said: loopback, port 8800, data on disk', () => {
    expect(resolveSettings({}, {})).toEqual({
      host: '127.0.0.1',
      port: 8800,
      data: 'skerry-data',
      logLevel: 'info',
    })
  })

  test('a flag wins over a variable, and a variable over the config file', () => {
    const config = configFile('{"port": 1, "id": "file", "logLevel": "warn"}')
    const env = { SKERRY_CONFIG: config, SKERRY_PORT: '2', SKERRY_ID: 'variable' }
    expect(resolveSettings({ port: '3' }, env)).toMatchObject({
      port: 3,
      id: 'variable',
      logLevel: 'warn',
    })
  })

  test('lists: a flag again and again, a variable with commas, an array in the file', () => {
    const key = ['users/*', 'settings']
    expect(resolveSettings({ key }, {}).key).toEqual(key)
    expect(resolveSettings({}, { SKERRY_KEY: 'users/*,settings' }).key).toEqual(key)
    const config = configFile(JSON.stringify({ $schema: './config.schema.json', key }))
    expect(resolveSettings({ config }, {}).key).toEqual(key)
  })

  test('--memory sets aside a directory named in a weaker place, and the other way round', () => {
    const memory = resolveSettings({ memory: true }, { SKERRY_DATA: 'dir' })
    expect(memory).toMatchObject({ memory: true })
    expect(memory).not.toHaveProperty('data')
    const data = resolveSettings({ data: 'dir' }, { SKERRY_MEMORY: 'true' })
    expect(data).toMatchObject({ data: 'dir' })
    expect(data).not.toHaveProperty('memory')
  })
})

describe('wrong options end with exit 2 and one line that names them', () => {
  const cases: [name: string, args: string[], env: Record<string, string>, said: RegExp][] = [
    ['an unknown flag', ['--prot=1'], {}, /^SKERRY_OPTION_UNKNOWN: .*--prot/],
    ['what is open, and nothing closed', ['--open=a'], {}, /^SKERRY_OPTION_INVALID: .*--static/],
    [
      'an open path that is none',
      ['--static', '--open=a//b'],
      {},
      /^SKERRY_OPTION_INVALID: .*open.*a\/\/b/,
    ],
    ['a port that is no number', ['--port=http'], {}, /^SKERRY_OPTION_INVALID: .*--port/],
    ['a port too large', ['--port=65536'], {}, /^SKERRY_OPTION_INVALID: .*--port/],
    ['a flag without its value', ['--port'], {}, /^SKERRY_OPTION_INVALID: .*--port/],
    [
      'Redis and a directory',
      ['--redis=redis://h', '--data=d'],
      {},
      /^SKERRY_OPTION_INVALID: .*--redis/,
    ],
    ['a name on no Redis', ['--redis-name=x'], {}, /^SKERRY_OPTION_INVALID: .*--redis/],
    ['a URL of no Redis', ['--redis=http://:pw@h'], {}, /^SKERRY_OPTION_INVALID: (?!.*pw).*redis:/],
    ['a certificate without its key', ['--tls-cert=x'], {}, /^SKERRY_OPTION_INVALID: .*--tls-key/],
    ['an issuer without keys', ['--jwt-issuer=x'], {}, /^SKERRY_OPTION_INVALID: .*--jwks/],
    ['an address that is none', ['--peer=http://'], {}, /^SKERRY_OPTION_INVALID: .*--peer/],
    ['a key that is no path', ['--key=a//b'], {}, /^SKERRY_OPTION_INVALID: .*key.*a\/\/b/],
    ['a key with a leader, and none', ['--key-leader=a'], {}, /^SKERRY_OPTION_INVALID: .*--key-le/],
    ['a key led by nobody', ['--key-leader=a=h:1'], {}, /^SKERRY_OPTION_INVALID: .*'a'.*leader/],
    ['a key led twice', ['--local-key=a', '--key-leader=a=h:1'], {}, /^SKERRY_OPTION_INVALID: /],
    ['a history of no number', ['--history=a=x'], {}, /^SKERRY_OPTION_INVALID: .*--history/],
    ['a history too long', ['--history=a=1001'], {}, /^SKERRY_OPTION_INVALID: .*history\['a'\]/],
    ['a history of no path', ['--history=a//b=1'], {}, /^SKERRY_OPTION_INVALID: .*history.*a\/\/b/],
    ['two kinds of storage', ['--memory', '--data=x'], {}, /^SKERRY_OPTION_INVALID: .*--memory/],
    ['an unknown variable', [], { SKERRY_LEADR: 'x' }, /^SKERRY_OPTION_UNKNOWN: .*SKERRY_LEADR/],
    ['a malformed variable', [], { SKERRY_PORT: '' }, /^SKERRY_OPTION_INVALID: .*SKERRY_PORT/],
    ['a superfluous word', ['twice'], {}, /too many arguments/],
  ]
  test.each(cases)('%s', async (_name, args, env, said) => {
    const { code, stdout, stderr } = await run(['serve', ...args], env)
    expect(stderr).toMatch(said)
    expect(stderr.trimEnd()).not.toContain('\n')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  test.each([
    ['an unknown member', '{"prot": 1}', /^SKERRY_OPTION_UNKNOWN: .*prot of skerry\.json/],
    [
      'a member of the wrong type',
      '{"port": "1"}',
      /^SKERRY_OPTION_INVALID: .*port of skerry\.json/,
    ],
    [
      'a list with a wrong element',
      '{"key": [1]}',
      /^SKERRY_OPTION_INVALID: .*key of skerry\.json/,
    ],
    ['no JSON', '{port', /^SKERRY_OPTION_INVALID: .*--config/],
    ['no object', '[]', /^SKERRY_OPTION_INVALID: .*--config/],
  ])('a config file with %s', async (_name, text, said) => {
    const { code, stderr } = await run(['serve', '--config', configFile(text)])
    expect(stderr).toMatch(said)
    expect(code).toBe(2)
  })

  test('an unknown command, and no command at all', async () => {
    const unknown = await run(['sevre'])
    expect(unknown).toMatchObject({ code: 2, stdout: '' })
    expect(unknown.stderr).toMatch(/^SKERRY_OPTION_INVALID: .*'sevre'.*--help\n$/)
    expect(await run([])).toMatchObject({ code: 2, stdout: '' })
  })
})

test('--version prints the version of the package, alone', async () => {
  const { version } = packageFile() as unknown as { version: string }
  expect(await run(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' })
})

test('keys with leaders of their own come from flags and from the file alike', async () => {
  const leader = await serve('--memory')
  const branch = await serve('--memory')
  const localKey = ['mine/*']
  const config = configFile(JSON.stringify({ memory: true, leader: leader.url, localKey }))
  const flags = ['--key=users/*', `--key-leader=log/*=${branch.url}`]
  const node = await serve('--config', config, ...flags)
  for (const path of ['mine/1', 'log/1', 'users/1']) {
    await fetch(`${node.url}/${path}`, { method: 'POST', body: '1' })
  }
  const status = async (url: string, path: string) => (await fetch(`${url}/${path}`)).status
  await expect.poll(() => status(leader.url, 'users/1')).toBe(200)
  await expect.poll(() => status(branch.url, 'log/1')).toBe(200)
  // The feed is in order: what was written before would be there by now.
  expect(await status(leader.url, 'mine/1')).toBe(404)
  expect(await status(leader.url, 'log/1')).toBe(404)
  expect(await status(branch.url, 'mine/1')).toBe(404)
  expect(await status(branch.url, 'users/1')).toBe(404)
})

test('serve --static serves what --open names, and nothing else', async () => {
  const node = await serve('--memory', '--static', '--open=users/*', '--open=settings')
  const status = async (method: string, path: string, body?: string): Promise<number> =>
    (await fetch(`${node.url}/${path}`, { method, ...(body !== undefined && { body }) })).status
  expect(await status('POST', 'users/ada', '1')).toBe(200)
  expect(await status('POST', 'settings', '1')).toBe(200)
  expect(await status('GET', 'users/*')).toBe(200)
  expect(await status('POST', 'log/1', '1')).toBe(403)
  for (const path of ['other', '*', 'users/ada/pets', '?api=keys', '?api=info', '?api=state']) {
    expect(await status('GET', path)).toBe(403)
  }
  // Leaders of the pivot protocol ask it whether this node lives.
  expect(await status('GET', '')).toBe(200)
})

test('docs/config.schema.json is the schema that config files are checked against', () => {
  const published = JSON.parse(readFileSync('docs/config.schema.json', 'utf8')) as unknown
  expect(published).toEqual(JSON.parse(JSON.stringify(configSchema)))
})

test('docs/cli.md lists every option of serve with its flag, variable and member', () => {
  const page = read('docs/cli.md')
  const missing = settings.flatMap(({ name }) =>
    [flagOf(name), variableOf(name), name].filter((word) => !page.includes(`\`${word}`)),
  )
  expect(missing).toEqual([])
})
