import { writeFile } from 'node:fs/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  createServer,
  type Filters,
  type Server,
  type ServerOptions,
  type StoreOpener,
} from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { machineEnv } from '../../src/server/env.ts'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import { directory } from './directory.ts'
import { failure, runningNode } from './running.ts'

interface Version {
  readonly version: string
  readonly kind: string
  readonly data: unknown
  readonly deleted: boolean
  readonly origin: string
}

function historyUrl({ url }: Server, path: string, query = ''): string {
  return `${url}/_skerry/history/${path}${query}`
}

async function versions(node: Server, path: string, query = ''): Promise<Version[]> {
  const answer = await fetch(historyUrl(node, path, query))
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { versions: Version[] }).versions
}

async function told(node: Server, path: string): Promise<string[]> {
  return (await versions(node, path)).map(({ kind, data }) => `${kind} ${JSON.stringify(data)}`)
}

function restore(node: Server, path: string, version: unknown, init: RequestInit = {}) {
  const body = JSON.stringify({ restore: version })
  return fetch(historyUrl(node, path), { method: 'POST', body, ...init })
}

/** A node that keeps the past, and a document with one. */
async function documents(options: ServerOptions = {}): Promise<Server> {
  const node = await runningNode({ id: 'here', history: { 'docs/*': 5 }, ...options })
  for (const text of ['one', 'two', 'three']) await node.state.set('docs/a', { text })
  return node
}

test('history is told newest first, what the path holds before what it held, exact to the digit', async () => {
  const node = await documents()
  await node.state.text.set('docs/a', '9223372036854775807')
  const answer = await fetch(historyUrl(node, 'docs/a', '?limit=2'))
  const text = await answer.text()
  expect(answer.headers.get('content-type')).toContain('application/json')
  expect(text).toContain('"kind":"current"')
  expect(text).toContain('"data":9223372036854775807}')
  const { next } = JSON.parse(text) as { next: number }
  expect(await versions(node, 'docs/a', `?limit=2&before=${next}`)).toMatchObject([
    { kind: 'superseded', data: { text: 'one' }, origin: 'here', deleted: false },
  ])
  expect(await versions(node, 'docs/none')).toEqual([])
})

test('a delete is told with who made it, and what it deleted can be restored', async () => {
  const node = await documents()
  await node.state.delete('docs/a')
  expect(await told(node, 'docs/a')).toEqual([
    'current null',
    'superseded {"text":"three"}',
    'superseded {"text":"two"}',
    'superseded {"text":"one"}',
  ])
  const [deletion, three] = await versions(node, 'docs/a')
  expect(deletion).toMatchObject({ deleted: true, origin: 'here' })
  expect(await failure(await restore(node, 'docs/a', deletion!.version))).toEqual({
    status: 409,
    code: 'SKERRY_VERSION_DELETED',
  })
  const answer = await restore(node, 'docs/a', three!.version)
  expect([answer.status, await answer.json()]).toEqual([200, { index: 'a' }])
  const now = await node.state.get('docs/a')
  expect(now!.data).toEqual({ text: 'three' })
  expect(answer.headers.get('etag')).toBe(`"${now!.version}"`)
  expect(now!.version > three!.version).toBe(true)
})

test('the versions are those that reads name, and the face in the process has the same', async () => {
  const node = await runningNode({ history: { '**': 5 } })
  const { version } = await node.state.set('a', { n: 1 })
  await node.state.set('a', { n: 2 })
  const { versions: found } = await node.state.history<{ n: number }>('a')
  expect(found).toMatchObject([
    { kind: 'current', data: { n: 2 }, keptAt: undefined, path: 'a' },
    { kind: 'superseded', data: { n: 1 }, version, deleted: false },
  ])
  expect((await node.state.restore('a', version)).data).toEqual({ n: 1 })
  expect(await node.state.clearHistory('*')).toBe(1)
  expect(await told(node, 'a')).toEqual(['current {"n":1}'])
})

test.each([
  ['nothing', ''],
  ['no JSON', '{'],
  ['no object', '[]'],
  ['no version', '{}'],
  ['a number', '{"restore":1}'],
  ['something else beside it', '{"restore":"0","and":1}'],
])('a body with %s restores nothing', async (_what, body) => {
  const node = await documents()
  const answer = await fetch(historyUrl(node, 'docs/a'), { method: 'POST', body })
  expect(answer.status).toBe(400)
  expect(await told(node, 'docs/a')).toHaveLength(3)
})

test.each(['', 'x', '*', '0'.repeat(24), 'f'.repeat(24), '__proto__', `${'0'.repeat(24)}\n`, 'é'])(
  'a version that nobody keeps is refused, and changes nothing: %j',
  async (version) => {
    const node = await documents()
    expect(await failure(await restore(node, 'docs/a', version))).toEqual({
      status: 404,
      code: 'SKERRY_VERSION_UNKNOWN',
    })
    expect(await told(node, 'docs/a')).toHaveLength(3)
  },
)

test.each(['limit=0', 'limit=1001', 'limit=x', 'limit=1&limit=2', 'before=-1', 'before=1e3'])(
  'a stretch that is none is refused: %s',
  async (query) => {
    const node = await documents()
    const answer = await fetch(historyUrl(node, 'docs/a', `?${query}`))
    expect(await failure(answer)).toEqual({ status: 400, code: 'SKERRY_RANGE_INVALID' })
  },
)

test('globs and bad paths have no history', async () => {
  const node = await documents()
  for (const path of ['docs/*', '', 'a//b', '**', 'a%2f%2e%2e%2fb']) {
    const invalid = { status: 400, code: 'SKERRY_PATH_INVALID' }
    expect(await failure(await fetch(historyUrl(node, path)))).toEqual(invalid)
    expect(await failure(await restore(node, path, '0'.repeat(24)))).toEqual(invalid)
  }
})

test('restoring goes through conditions, filters and schema, as any write', async () => {
  const schema = { type: 'object', required: ['text'] }
  const node = await documents({ filters: { 'docs/*': { schema } } })
  const before = await versions(node, 'docs/a')
  const stale = { headers: { 'if-match': `"${before[1]!.version}"` } }
  expect(await failure(await restore(node, 'docs/a', before[2]!.version, stale))).toEqual({
    status: 412,
    code: 'SKERRY_PRECONDITION_FAILED',
  })
  await node.store.write([{ path: 'docs/a', decide: () => '"not by the schema"' }])
  await node.state.set('docs/a', { text: 'four' })
  const old = (await versions(node, 'docs/a')).find(({ data }) => data === 'not by the schema')
  expect(await failure(await restore(node, 'docs/a', old!.version))).toEqual({
    status: 400,
    code: 'SKERRY_SCHEMA_VIOLATED',
  })
  expect((await node.state.get('docs/a'))!.data).toEqual({ text: 'four' })
})

test('a restore is committed as far as it was asked to be', async () => {
  const node = await documents()
  const [, two] = await versions(node, 'docs/a')
  const body = JSON.stringify({ restore: two!.version })
  const target = historyUrl(node, 'docs/a', '?commit=ALL&timeoutMs=1')
  const answer = await fetch(target, { method: 'POST', body })
  expect([answer.status, await answer.json()]).toEqual([
    202,
    { index: 'a', committed: [], missing: [] },
  ])
})

test('a restore that races with writes is one of them: the last one stands, and none is lost', async () => {
  const node = await runningNode({ history: { '**': 100 } })
  const first = await node.state.set('a', 'first')
  await node.state.set('a', 'second')
  await Promise.all([
    ...Array.from({ length: 20 }, (_, n) => node.state.set('a', n)),
    ...Array.from({ length: 20 }, () => node.state.restore('a', first.version)),
  ])
  const all = await versions(node, 'a')
  expect(all).toHaveLength(42)
  expect(all.filter(({ data }) => data === 'first')).toHaveLength(21)
  const stamps = all.map(({ version }) => version)
  expect(stamps).toEqual([...stamps].sort().reverse())
  expect((await node.state.get('a'))!.version).toBe(all[0]!.version)
})

describe('what readers may not see', () => {
  const text = (data: unknown) => JSON.stringify(data)

  test('a filter that changes what is read changes every version, and a restore has the stored one', async () => {
    const read = (_path: string, { data }: { data: { text: string } }) => ({
      data: { seen: data.text },
    })
    const node = await documents({ filters: { 'docs/*': { read } } })
    expect(await told(node, 'docs/a')).toEqual([
      'current {"seen":"three"}',
      'superseded {"seen":"two"}',
      'superseded {"seen":"one"}',
    ])
    const one = (await versions(node, 'docs/a'))[2]!
    expect((await restore(node, 'docs/a', one.version)).status).toBe(200)
    expect((await node.store.read('docs/a'))!.data).toBe('{"text":"one"}')
  })

  test('a version that the filter hides is not told and not restored; one hidden now hides them all', async () => {
    const read: Filters[string]['read'] = (_path, entry) =>
      text(entry.data).includes('secret') ? undefined : entry
    const node = await runningNode({ history: { '**': 5 }, filters: { '**': { read } } })
    const secret = await node.state.set('a', 'secret')
    const open = await node.state.set('a', 'open')
    expect(await told(node, 'a')).toEqual(['current "open"'])
    const unknown = { status: 404, code: 'SKERRY_VERSION_UNKNOWN' }
    expect(await failure(await restore(node, 'a', secret.version))).toEqual(unknown)
    await node.state.set('a', 'secret again')
    expect(await told(node, 'a')).toEqual([])
    expect(await failure(await restore(node, 'a', open.version))).toEqual(unknown)
  })

  test('where a filter hides everything, nobody learns of deletes either', async () => {
    const filters: Filters = { 'docs/*': { readList: () => [] } }
    const node = await documents({ filters })
    await node.state.delete('docs/a')
    expect(await told(node, 'docs/a')).toEqual([])
  })

  test('a filter that throws refuses the history, and beforeRead runs before it', async () => {
    const asked: string[] = []
    const node = await documents({
      filters: {
        'docs/*': {
          beforeRead: (path: string) => asked.push(path),
          read: () => {
            throw new Error('not now')
          },
        },
      },
    })
    const refused = { status: 400, code: 'SKERRY_FILTER_REFUSED' }
    expect(await failure(await fetch(historyUrl(node, 'docs/a')))).toEqual(refused)
    expect(asked).toEqual(['docs/a'])
  })

  test('a static node tells and restores what filters open, and nothing else', async () => {
    const closed = { status: 403, code: 'SKERRY_ROUTE_CLOSED' }
    const node = await runningNode({
      history: { '**': 5 },
      static: true,
      filters: { open: { open: true }, readable: { read: (_path, entry) => entry } },
    })
    for (const path of ['open', 'readable', 'shut']) {
      await node.store.write([{ path, decide: () => '1' }])
      await node.store.write([{ path, decide: () => '2' }])
    }
    expect(await failure(await fetch(historyUrl(node, 'shut')))).toEqual(closed)
    const [, old] = await versions(node, 'readable')
    expect(await failure(await restore(node, 'readable', old!.version))).toEqual(closed)
    const [, other] = await versions(node, 'open')
    expect((await restore(node, 'open', other!.version)).status).toBe(200)
  })

  test('reading needs the right to read, restoring also that to write, clearing that of an operator', async () => {
    const tokens = {
      reader: ['read'],
      writer: ['write'],
      both: ['read', 'write', 'delete'],
      admin: ['admin'],
    }
    const tokenFile = `${await directory()}/tokens.json`
    const rows = Object.entries(tokens).map(([name, verbs]) => ({
      name,
      token: `${name}-0123456789abcdef`,
      rights: [{ verbs, paths: verbs.includes('admin') ? ['**'] : ['docs/a'] }],
    }))
    await writeFile(tokenFile, JSON.stringify({ tokens: rows }))
    const node = await documents({ tokenFile })
    const as = (name: string) => ({ headers: { authorization: `Bearer ${name}-0123456789abcdef` } })
    const { versions: kept } = await node.state.history('docs/a')
    const status = async (name: string) => [
      (await fetch(historyUrl(node, 'docs/a'), as(name))).status,
      (await restore(node, 'docs/a', kept[1]!.version, as(name))).status,
      (await fetch(historyUrl(node, 'docs/a'), { method: 'DELETE', ...as(name) })).status,
    ]
    expect(await status('reader')).toEqual([200, 403, 403])
    expect(await status('writer')).toEqual([403, 403, 403])
    expect(await status('both')).toEqual([200, 200, 403])
    expect((await fetch(historyUrl(node, 'docs/b'), as('both'))).status).toBe(403)
    expect(await status('admin')).toEqual([403, 403, 200])
    expect((await fetch(historyUrl(node, 'docs/a'))).status).toBe(401)
  })
})

test.each([
  [[]],
  ['docs/*=5'],
  [{ 'docs/*': -1 }],
  [{ 'docs/*': 1001 }],
  [{ 'docs/*': 1.5 }],
  [{ 'docs/*': '5' }],
  [Object.fromEntries(Array.from({ length: 1025 }, (_, n) => [`p${n}`, 1]))],
])('a history that is none is refused: %.30j', async (history) => {
  const made = createServer({ memory: true, history: history as never })
  await expect(made).rejects.toMatchObject({ code: 'SKERRY_OPTION_INVALID' })
})

test('a path that can have none is refused', async () => {
  const made = (options: ServerOptions) => createServer({ memory: true, port: 0, ...options })
  await expect(made({ history: { 'a//b': 1 } })).rejects.toMatchObject({
    code: 'SKERRY_OPTION_INVALID',
  })
  await expect(made({ history: { 'metrics/*': 1 } })).rejects.toMatchObject({
    code: 'SKERRY_OPTION_INVALID',
  })
  const apart = await LocalStore.open(new MemoryEngine(), machineEnv)
  const keys = [{ path: 'users/*', store: apart }]
  await expect(made({ keys, history: { 'users/*': 1 } })).rejects.toMatchObject({
    code: 'SKERRY_OPTION_INVALID',
  })
  await apart.close()
})

test('a store on Redis refuses the option before it has asked Redis for anything', async () => {
  const store = redisStore('redis://127.0.0.1:1')
  const made = createServer({ port: 0, store, history: { a: 1 } })
  await expect(made).rejects.toMatchObject({ code: 'SKERRY_HISTORY_UNAVAILABLE' })
})

test('a store that keeps no history refuses the option, is closed again, and has none to tell', async () => {
  let closed = 0
  const store: StoreOpener = {
    open: async (env, node) => {
      const kept = await LocalStore.open(new MemoryEngine(), env, node)
      return new Proxy(kept, {
        get: (target, name) => {
          if (name === 'history' || name === 'clearHistory') return undefined
          if (name === 'close') closed++
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? (value.bind(target) as unknown) : value
        },
      })
    },
  }
  const code = 'SKERRY_HISTORY_UNAVAILABLE'
  await expect(createServer({ port: 0, store, history: { a: 1 } })).rejects.toMatchObject({ code })
  expect(closed).toBe(1)
  const node = await createServer({ port: 0, store, history: { a: 0 } })
  onTestFinished(() => node.close())
  await node.listen()
  const [url, body] = [historyUrl(node, 'a'), JSON.stringify({ restore: '0'.repeat(24) })]
  for (const init of [{}, { method: 'POST', body }, { method: 'DELETE' }]) {
    expect(await failure(await fetch(url, init))).toEqual({ status: 501, code })
  }
})

describe('between nodes', () => {
  /** Writes on the one what `other` overwrites on the other, as by a clock that is a little later. */
  async function apart(
    path: string,
    [one, data]: [Server, string],
    [other, later]: [Server, string],
  ) {
    const { created } = await one.state.set(path, data)
    const newer = { path, created: created + 1n, updated: 0n, data: JSON.stringify(later) }
    await other.store.merge([{ ...newer, origin: other.id }], { peer: '' })
  }

  const shown = (node: Server, path: string) => async () =>
    (await node.state.get<string>(path))?.data

  test('a write that a peer overrules is kept by the node that made it, over the native link', async () => {
    const leader = await runningNode({ history: { '**': 5 } })
    const node = await createServer({
      ...{ port: 0, memory: true, leader: leader.url, id: 'here' },
      history: { '**': 5 },
    })
    onTestFinished(() => node.close())
    await apart('a', [node, 'mine'], [leader, 'theirs'])
    await node.listen()
    await expect.poll(shown(node, 'a')).toBe('theirs')
    // The leader may have acknowledged it, late as it came, before its own arrived here.
    const lost = expect.stringMatching(/^(overruled|superseded) "mine"$/) as string
    expect(await told(node, 'a')).toEqual(['current "theirs"', lost])
    const [, mine] = await versions(node, 'a')
    await node.state.restore('a', mine!.version)
    await expect.poll(shown(leader, 'a')).toBe('mine')
    expect((await told(leader, 'a')).slice(0, 2)).toEqual(['current "mine"', 'superseded "theirs"'])
  })

  test('a delete of a peer is kept with its origin, and a value that it deleted is restored everywhere', async () => {
    const leader = await runningNode({ id: 'leader' })
    const node = await runningNode({ leader: leader.url, history: { '**': 5 } })
    await leader.state.set('a', 'precious')
    await expect.poll(shown(node, 'a')).toBe('precious')
    await leader.state.delete('a')
    await expect.poll(shown(node, 'a')).toBeUndefined()
    const [deletion, precious] = await versions(node, 'a')
    expect(deletion).toMatchObject({ kind: 'current', deleted: true, origin: 'leader' })
    expect((await restore(node, 'a', precious!.version)).status).toBe(200)
    await expect.poll(shown(leader, 'a')).toBe('precious')
    expect(await versions(leader, 'a')).toMatchObject([{ kind: 'current' }])
  })

  test('over /_pivot alone the later write wins on both sides, and what lost is kept where it was seen', async () => {
    const keys = ['docs/*']
    const history = { 'docs/*': 5 }
    const leader = await runningNode({ keys, history, nodesKey: 'things/*' })
    const node = await createServer({
      ...{ port: 0, memory: true, keys, history, leader: leader.url, nativeLink: false },
      ...{ nodeCheckIntervalMs: 50, id: 'here' },
    })
    onTestFinished(() => node.close())
    await apart('docs/early', [node, 'of the node'], [leader, 'of the leader'])
    await apart('docs/late', [leader, 'of the leader'], [node, 'of the node'])
    await node.listen()
    await expect.poll(shown(node, 'docs/early')).toBe('of the leader')
    await expect.poll(shown(leader, 'docs/late')).toBe('of the node')
    expect(await told(leader, 'docs/late')).toEqual([
      'current "of the node"',
      'superseded "of the leader"',
    ])
    const early = await told(node, 'docs/early')
    expect(early[0]).toBe('current "of the leader"')
    expect(early).toContain('superseded "of the node"')
  })
})

test('what was kept is there after a restart', async () => {
  const data = await directory()
  const options = { data, port: 0, history: { '**': 5 } }
  const first = await createServer(options)
  await first.state.set('a', 1)
  await first.state.set('a', 2)
  await first.close()
  const second = await createServer(options)
  try {
    expect((await second.state.history('a')).versions.map(({ data: value }) => value)).toEqual([
      2, 1,
    ])
  } finally {
    await second.close()
  }
})
