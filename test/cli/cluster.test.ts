import { expect, test } from 'vitest'
import { run, serve, SkerryCommand, type Serving } from './command.ts'

const QUICK = ['--lease-ms=400', '--heartbeat-interval-ms=100', '--slots=64']
const PATIENCE = { timeout: 60_000, interval: 50 }
/** Each command is a process that has to start first, on a machine that may be busy. */
const MINUTES = { timeout: 300_000 }

/** A node of a cluster whose registry the first one keeps. */
function member(id: string, ...flags: string[]): Promise<Serving> {
  return serve('--memory', `--id=${id}`, '--cluster=blue', ...QUICK, ...flags)
}

/** Runs `skerry cluster`, which must succeed. */
async function cluster(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(['cluster', ...args])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

async function ids(url: string): Promise<string[]> {
  const members = JSON.parse(await cluster('members', `--url=${url}`, '--json')) as { id: string }[]
  return members.map(({ id }) => id)
}

test('members, owner, keys, drain, leave and join, by a node', MINUTES, async () => {
  const a = await member('a', '--zone=z1', '--region=eu')
  const b = await member('b', `--registry=${a.url}`, '--zone=z2', '--weight=3')
  const at = `--url=${b.url}`
  await expect.poll(() => ids(b.url), PATIENCE).toEqual(['a', 'b'])
  const [first, second] = (await cluster('members', at)).trim().split('\n')
  expect(first).toMatch(
    /^a {2}127\.0\.0\.1:\d+ {2}alive {2}16 slots {2}weight 1 {2}zone z1, region eu$/,
  )
  expect(second).toMatch(/^b {2}127\.0\.0\.1:\d+ {2}alive {2}48 slots {2}weight 3 {2}zone z2$/)

  const owners = JSON.parse(await cluster('owner', 'feed', '--count=2', '--json', at)) as object
  expect(owners).toMatchObject({
    key: 'feed',
    nodes: expect.arrayContaining(['a', 'b']) as unknown,
  })
  const keys = ['x', 'y', 'z']
  await fetch(new URL('/_skerry/cluster/distribute', a.url), {
    method: 'POST',
    body: JSON.stringify({ keys }),
  })
  expect(await cluster('drain', at)).toBe('b drained\n')
  expect((await cluster('keys', 'a', at)).trim().split('\n').sort()).toEqual(keys)
  expect(await cluster('keys', 'b', at)).toBe('')
  expect(await cluster('leave', 'b', `--url=${a.url}`, '--json')).toBe('{"left":"b"}\n')
  expect(await ids(a.url)).toEqual(['a'])
  await expect.poll(() => cluster('join', at), PATIENCE).toBe('b joined\n')
  expect(await cluster('join', 'c', '10.0.0.9:80', '--weight=2', at)).toBe('c joined\n')
  expect(await ids(a.url)).toEqual(['a', 'b', 'c'])
})

test(
  'the same by the registry that a node keeps, and what happens told live',
  MINUTES,
  async () => {
    const a = await member('a')
    const registry = [`--registry=${a.url}`, '--name=blue', '--slots=64']
    const events = new SkerryCommand(['cluster', 'events', `--url=${a.url}`])
    // What happens before it listens it can't tell: it happens until it is told.
    let isHeard = false
    void events.prints('"type":"joined","nodeId":"near"').then(() => (isHeard = true))
    for (let port = 1; !isHeard; port = 3 - port) {
      const body = JSON.stringify({ id: 'near', address: '10.0.0.8', port })
      await fetch(new URL('/_skerry/cluster/join', a.url), { method: 'POST', body })
    }
    expect(await cluster('join', 'far', '10.0.0.9:80', ...registry)).toBe('far joined\n')
    expect(JSON.parse(await cluster('members', '--json', ...registry))).toMatchObject([
      { id: 'a' },
      { id: 'far', address: '10.0.0.9', port: 80, path: '/readyz' },
      { id: 'near' },
    ])
    await expect.poll(() => cluster('leave', 'far', ...registry), PATIENCE).toBe('far left\n')
    await events.prints('"type":"left","nodeId":"far"')
    events.kill('SIGTERM')
    expect(await events.ending()).toMatchObject({ code: 0, stderr: '' })
  },
)

test.each([
  ['nobody there', ['members', '--url=http://127.0.0.1:1'], 1, /^SKERRY_NODE_UNREACHABLE: .+\n$/],
  [
    'no registry there',
    ['members', '--registry=http://127.0.0.1:1'],
    1,
    /^SKERRY_REGISTRY_UNAVAILABLE: .+\n$/,
  ],
  [
    'an address that is none',
    ['members', '--url=nowhere'],
    2,
    /^SKERRY_OPTION_INVALID: .*--url.*\n$/,
  ],
  [
    'a registry that is none',
    ['members', '--registry=ftp://x'],
    2,
    /^SKERRY_OPTION_INVALID: .+\n$/,
  ],
  ['no key', ['owner'], 2, /^SKERRY_OPTION_INVALID: .*key.*\n$/],
  [
    'a count that is none',
    ['owner', 'k', '--count=0'],
    2,
    /^SKERRY_OPTION_INVALID: .*--count.*\n$/,
  ],
  ['an unknown flag', ['members', '--all'], 2, /^SKERRY_OPTION_UNKNOWN: .*--all.*\n$/],
])('one line, and an exit code: %s', async (_what, args, code, said) => {
  const ending = await run(['cluster', ...args])
  expect(ending).toMatchObject({ code, stdout: '' })
  expect(ending.stderr).toMatch(said)
})

test('a node without a cluster says so; an unknown member is named', MINUTES, async () => {
  const alone = await serve('--memory')
  const asked = await run(['cluster', 'members', `--url=${alone.url}`])
  expect(asked).toMatchObject({ code: 1, stdout: '' })
  expect(asked.stderr).toMatch(/^SKERRY_NODE_LACKS: .* in no cluster; .*--cluster.*\n$/)
  const intervals = await run(['events', 'intervals', `--url=${alone.url}`])
  expect(intervals.stderr).toMatch(/^SKERRY_NODE_LACKS: .* no events; .*--replication-factor.*\n$/)
  const a = await member('a')
  const left = await run(['cluster', 'leave', 'nobody', `--url=${a.url}`])
  expect(left).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^SKERRY_MEMBER_UNKNOWN: .*nobody/) as string,
  })
})
