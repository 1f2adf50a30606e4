import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { run, scratchDir, serve, SkerryCommand, type Serving } from './command.ts'

const QUICK = ['--cluster=c', '--slots=64', '--lease-ms=400', '--heartbeat-interval-ms=100']
const EVENTS = ['--replication-factor=3', '--other-zone-replicas=2']
const PATIENCE = { timeout: 60_000, interval: 50 }
/** Each command is a process that has to start first, on a machine that may be busy. */
const MINUTES = { timeout: 300_000 }

/** Three nodes in three zones, on disks; the first keeps the registry. */
async function three(): Promise<readonly [Serving, Serving, Serving]> {
  const node = (id: string, ...flags: string[]) =>
    serve(`--data=${scratchDir()}`, `--id=${id}`, `--zone=${id}`, ...QUICK, ...EVENTS, ...flags)
  const x = await node('x')
  const others = ['y', 'z'].map((id) => node(id, `--registry=${x.url}`))
  const nodes = [x, ...(await Promise.all(others))]
  for (const { url } of nodes) await expect.poll(() => peersOf(url), PATIENCE).toBe(2)
  return nodes as [Serving, Serving, Serving]
}

async function peersOf(url: string): Promise<number> {
  const response = await fetch(new URL('/_skerry/events/status', url))
  return ((await response.json()) as { peers: number }).peers
}

/** Puts an event without a process of its own. */
async function put({ url }: Serving, body: string, level: string): Promise<string> {
  const address = new URL(`/_skerry/events?level=${level}`, url)
  const response = await fetch(address, { method: 'POST', body })
  return ((await response.json()) as { key: string }).key
}

/** Runs `skerry events` against a node; it must succeed. */
async function events(node: Serving, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(['events', ...args, `--url=${node.url}`])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

test('put, get, scan, intervals and export, whichever node is asked', MINUTES, async () => {
  const [x, y, z] = await three()
  const keys: string[] = []
  for (const [n, node] of [x, y, z].entries()) {
    keys.push(await put(node, `{"n":${n}}`, 'ALL'))
  }
  expect(await events(z, 'get', keys[0]!)).toBe('{"n":0}\n')
  const lines = keys.map((key, n) => `{"key":"${key}","event":{"n":${n}}}\n`).join('')
  expect(await events(z, 'scan')).toBe(lines)
  expect(await events(y, 'scan', `--from=${keys[1]}`, `--to=${keys[2]}`)).toBe(
    `{"key":"${keys[1]}","event":{"n":1}}\n`,
  )
  expect(await events(x, 'intervals')).toMatch(/^\d{8}T0000 {2}\d{8}T0000 {2}open\n$/)

  const [plain, packed] = ['events.ndjson', 'events.ndjson.gz'].map((name) =>
    join(scratchDir(), name),
  )
  const sha256 = createHash('sha256').update(lines).digest('hex')
  expect(JSON.parse(await events(x, 'export', plain!, '--json'))).toEqual({
    file: plain,
    events: 3,
    sha256,
  })
  expect(await events(z, 'export', packed!)).toBe(
    `3 events in ${packed}, sha256 of the lines ${sha256}\n`,
  )
  expect(readFileSync(plain!, 'utf8')).toBe(lines)
  expect(gunzipSync(readFileSync(packed!)).toString()).toBe(lines)
  // The same event again changes nothing; another one under its key is refused.
  expect(await events(y, 'put', '{"n":0}', `--key=${keys[0]}`)).toBe(`${keys[0]}\n`)
  const other = await run(['events', 'put', '{"n":9}', `--key=${keys[0]}`, `--url=${y.url}`])
  expect(other).toMatchObject({ code: 1, stdout: '' })
  expect(other.stderr).toMatch(/^SKERRY_EVENTS_CONFLICT: .+\n$/)
})

test('a tail prints what there is and what comes, until it is told to stop', MINUTES, async () => {
  const [x, y] = await three()
  const first = (await events(x, 'put', '1')).trim()
  const tail = new SkerryCommand(['events', 'tail', `--from=${first}`, `--url=${y.url}`])
  await tail.prints('"event":1}')
  const second = await put(x, '2', 'QUORUM')
  await tail.prints('"event":2}')
  tail.kill('SIGINT')
  expect(await tail.ending()).toMatchObject({
    code: 0,
    stdout: `{"key":"${first}","event":1}\n{"key":"${second}","event":2}\n`,
    stderr: '',
  })
})

test(
  'after kill -9 of a node puts go on, and repair brings every event to three nodes',
  MINUTES,
  async () => {
    const [x, y, z] = await three()
    z.command.kill('SIGKILL')
    for (let n = 0; n < 10; n++) await put(x, `${n}`, 'QUORUM')
    await expect.poll(() => events(x, 'under-replicated'), PATIENCE).toContain('"missing":1')
    const short = await run(['events', 'repair', `--url=${y.url}`, '--json'])
    expect(JSON.parse(short.stdout)).toMatchObject({ events: 10, unreachable: ['z'] })
    // The dead one leaves for good; a newcomer takes its place.
    expect((await run(['cluster', 'leave', 'z', `--url=${x.url}`])).code).toBe(0)
    const flags = [...QUICK, ...EVENTS, `--registry=${x.url}`, '--zone=z', '--id=w']
    const w = await serve(`--data=${scratchDir()}`, ...flags)
    await expect.poll(() => peersOf(w.url), PATIENCE).toBe(2)
    await expect.poll(() => peersOf(x.url), PATIENCE).toBe(2)
    const said = await events(y, 'repair')
    expect(said).toMatch(/^events seen +10\n/)
    expect(said).toMatch(
      /\nevents that lack replicas +0\nevents unconfirmed +0\nevents that differ +0\n/,
    )
    await expect.poll(() => events(x, 'under-replicated'), PATIENCE).toBe('')
    expect(JSON.parse(await events(x, 'repair', '--json'))).toMatchObject({ events: 10, copied: 0 })
  },
)

test.each([
  ['nobody there', ['scan', '--url=http://127.0.0.1:1'], 1, /^SKERRY_NODE_UNREACHABLE: .+\n$/],
  ['an unknown flag', ['scan', '--all'], 2, /^SKERRY_OPTION_UNKNOWN: .*--all.*\n$/],
  ['no file', ['export'], 2, /^SKERRY_OPTION_INVALID: .*file.*\n$/],
  ['no command', [], 2, /^$/],
])('one line, and an exit code: %s', async (_what, args, code, said) => {
  const ending = await run(['events', ...args])
  expect(ending.code).toBe(code)
  if (args.length > 0) expect(ending.stderr).toMatch(said)
})

test('bad input is refused by name, and an export that fails leaves no file', MINUTES, async () => {
  const node = await serve('--memory', '--replication-factor=1')
  const failed = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(['events', ...args, `--url=${node.url}`])
    expect({ code, stdout, lines: stderr.trim().split('\n').length }).toEqual({
      code: 1,
      stdout: '',
      lines: 1,
    })
    return stderr
  }
  expect(await failed('put', '{')).toMatch(/^SKERRY_JSON_INVALID/)
  expect(await failed('put', '1', '--level=most')).toMatch(/^SKERRY_EVENTS_LEVEL_INVALID/)
  expect(await failed('put', '1', '--key=k')).toMatch(/^SKERRY_EVENTS_KEY_INVALID/)
  expect(await failed('get', '20260101T000000000000000001')).toMatch(/^SKERRY_NOT_FOUND/)
  expect(await failed('export', join(scratchDir(), 'missing', 'x'))).toMatch(/^SKERRY_FILE_FAILED/)
})
