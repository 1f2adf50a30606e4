import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { connect } from '../../src/client.ts'
import { CommitError, type Commitment, type Server, type ServerOptions } from '../../src/index.ts'
import { directory } from './directory.ts'
import { failure, runningNode } from './running.ts'

/** Longer than any test waits, for what is to be reached. */
const LONG_MS = 60_000

/** A node that keeps its data on the disk, and so counts. */
async function node(id: string, options: ServerOptions = {}): Promise<Server> {
  return runningNode({ memory: false, data: await directory(), id, ...options })
}

/** Waits until the node has a link with each of the peers, and its first repair is done. */
async function linked(server: Server, ...peers: string[]): Promise<void> {
  await expect
    .poll(() =>
      server
        .status()
        .sync.links.filter(({ open, unrepaired }) => open && unrepaired.length === 0)
        .map(({ peer }) => peer)
        .sort(),
    )
    .toEqual(peers.sort())
}

/** A leader with two nodes, the second of which has stopped. */
async function oneStopped(): Promise<{ leader: Server; near: Server; gone: string }> {
  const leader = await node('leader')
  const near = await node('near', { leader: leader.url })
  const far = await node('far', { leader: leader.url })
  await linked(leader, 'far', 'near')
  await far.close()
  await linked(leader, 'near')
  return { leader, near, gone: 'far' }
}

function write(server: Server, method: string, target: string, body?: unknown) {
  const text = body === undefined ? {} : { body: JSON.stringify(body) }
  return fetch(`${server.url}${target}`, { method, ...text })
}

async function answered(response: Response): Promise<{ status: number; body: unknown }> {
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

test('a write at QUORUM is answered once more than half of the nodes have it', async () => {
  const { leader, near } = await oneStopped()
  const level = `commit=QUORUM&timeoutMs=${LONG_MS}`
  const set = await write(leader, 'POST', `/a?${level}`, 1)
  expect(await answered(set)).toEqual({ status: 200, body: { index: 'a' } })
  expect((await near.state.get('a'))?.data).toBe(1)
  const patched = await write(leader, 'PATCH', `/settings?${level}`, { x: 1 })
  expect(await failure(patched)).toEqual({ status: 404, code: 'SKERRY_NOT_FOUND' })
  expect((await write(leader, 'DELETE', `/a?${level}`)).status).toBe(204)
  expect(await near.state.get('a')).toBe(null)
  // In a star, a node counts itself and its leader.
  expect((await write(near, 'POST', `/b?commit=ALL&timeoutMs=${LONG_MS}`, 2)).status).toBe(200)
  expect((await leader.state.get('b'))?.data).toBe(2)
})

test('a write that too few nodes have when time runs out is a 202 that names them, and stays', async () => {
  const { leader, near } = await oneStopped()
  const level = 'commit=ALL&timeoutMs=1'
  const all = (body: unknown) => {
    const { committed, missing, ...rest } = body as Commitment & Record<string, unknown>
    return { ...rest, nodes: [...committed, ...missing].sort(), gone: missing.includes('far') }
  }
  const nodes = { nodes: ['far', 'leader', 'near'], gone: true }
  const set = await answered(await write(leader, 'POST', `/a?${level}`, { n: 1 }))
  expect([set.status, all(set.body)]).toEqual([202, { index: 'a', ...nodes }])
  const patched = await answered(await write(leader, 'PATCH', `/a?${level}`, { m: 1 }))
  expect([patched.status, all(patched.body)]).toEqual([202, { index: 'a', ...nodes }])
  const pushed = await answered(await write(leader, 'POST', `/log/*?${level}`, 1))
  const { index, ...rest } = all(pushed.body) as unknown as { index: string }
  expect([pushed.status, rest]).toEqual([202, nodes])
  expect((await leader.state.get(`log/${index}`))?.data).toBe(1)
  const batch = await answered(
    await write(leader, 'POST', `/_skerry/batch?${level}`, [{ op: 'set', path: 'b', data: 1 }]),
  )
  expect([batch.status, all(batch.body)]).toEqual([
    202,
    { results: [{ index: 'b', path: 'b', version: expect.any(String) as string }], ...nodes },
  ])
  const deleted = await answered(await write(leader, 'DELETE', `/log/*?${level}`))
  expect([deleted.status, all(deleted.body)]).toEqual([202, { index: '*', ...nodes }])
  await expect.poll(async () => (await near.state.get('a'))?.data).toEqual({ n: 1, m: 1 })
})

test('who comes back after it was away is waited for, and has the write', async () => {
  const data = await directory()
  const leader = await node('leader')
  const options = { memory: false, data, id: 'node', leader: leader.url }
  const before = await runningNode(options)
  // What a repair brings does not count as acknowledged, so both must have checkpoints to go on from.
  await linked(leader, 'node')
  await linked(before, 'leader')
  await before.close()
  await linked(leader)
  const waiting = write(leader, 'POST', `/a?commit=ALL&timeoutMs=${LONG_MS}`, 1)
  await expect.poll(() => leader.status().sync.waitingCommits).toBe(1)
  const after = await runningNode(options)
  expect((await waiting).status).toBe(200)
  expect((await after.state.get('a'))?.data).toBe(1)
  expect(leader.status().sync.waitingCommits).toBe(0)
})

test('a delete of a glob waits for all that it deletes', async () => {
  const leader = await node('leader')
  const near = await node('near', { leader: leader.url })
  await linked(leader, 'near')
  await leader.state.batch(
    Array.from({ length: 600 }, (_, i) => ({ op: 'set', path: `users/${i}`, data: i })),
  )
  const level = `commit=ALL&timeoutMs=${LONG_MS}`
  expect((await write(leader, 'DELETE', `/users/*?${level}`)).status).toBe(204)
  expect(await near.state.list('users/*')).toEqual([])
  // Nothing was deleted, so there is nothing to wait for.
  expect((await write(leader, 'DELETE', '/users/*?commit=ALL&timeoutMs=1')).status).toBe(204)
})

test('who does not share the path, or keeps nothing on a disk, does not count', async () => {
  const leader = await node('leader')
  await node('some', { leader: leader.url, keys: ['users/*'] })
  await runningNode({ id: 'fleeting', leader: leader.url })
  await linked(leader, 'fleeting', 'some')
  const other = await write(leader, 'POST', '/settings?commit=ALL&timeoutMs=1', 1)
  expect(await answered(other)).toEqual({ status: 200, body: { index: 'settings' } })
  const shared = await write(leader, 'POST', `/users/1?commit=ALL&timeoutMs=${LONG_MS}`, 1)
  expect(shared.status).toBe(200)
  await leader.state.batch(
    [
      { op: 'set', path: 'users/2', data: 2 },
      { op: 'set', path: 'settings', data: 2 },
    ],
    { commit: 'ALL', commitTimeoutMs: LONG_MS },
  )
})

test('a node in memory has nothing durably, whatever it is asked', async () => {
  const { url } = await runningNode()
  for (const level of ['ONE', 'QUORUM', 'ALL']) {
    const target = `${url}/a?commit=${level}&timeoutMs=${LONG_MS}`
    const response = await fetch(target, { method: 'POST', body: '1' })
    const body = { index: 'a', committed: [], missing: [] }
    expect(await answered(response)).toEqual({ status: 202, body })
  }
})

test('a leader that was never reached counts, by its address', async () => {
  const gone = await runningNode()
  const { url: leader } = gone
  await gone.close()
  const alone = await node('alone', { leader })
  const one = await write(alone, 'POST', '/a?commit=ONE', 1)
  expect(one.status).toBe(200)
  const quorum = await write(alone, 'POST', '/a?commit=QUORUM&timeoutMs=1', 1)
  const body = { index: 'a', committed: ['alone'], missing: [leader] }
  expect(await answered(quorum)).toEqual({ status: 202, body })
})

test.each([
  '?commit=quorum',
  '?commit=',
  '?commit=TWO',
  '?commit=ONE&commit=ALL',
  '?timeoutMs=5',
  '?commit=ONE&timeoutMs=0',
  '?commit=ONE&timeoutMs=60001',
  '?commit=ONE&timeoutMs=1e3',
  '?commit=ONE&timeoutMs=-1',
])('what is no commit level is refused, and nothing is written: %s', async (query) => {
  const server = await runningNode()
  const invalid = { status: 400, code: 'SKERRY_COMMIT_INVALID' }
  expect(await failure(await write(server, 'POST', `/a${query}`, 1))).toEqual(invalid)
  expect(await failure(await write(server, 'POST', `/a/*${query}`, 1))).toEqual(invalid)
  expect(await failure(await write(server, 'PATCH', `/a${query}`, {}))).toEqual(invalid)
  expect(await failure(await write(server, 'DELETE', `/a${query}`))).toEqual(invalid)
  expect(await failure(await write(server, 'POST', `/_skerry/batch${query}`, []))).toEqual(invalid)
  expect(await server.state.keys()).toEqual([])
})

test('in the process, a write that did not come far enough rejects, and says who has it', async () => {
  const { leader } = await oneStopped()
  const enough = await leader.state.set('a', 1, { commit: 'QUORUM', commitTimeoutMs: LONG_MS })
  expect(enough.data).toBe(1)
  const error = await leader.state
    .push('log/*', 2, { commit: 'ALL', commitTimeoutMs: 1 })
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(CommitError)
  const { code, missing, results } = error as CommitError
  expect([code, missing.includes('far')]).toEqual(['SKERRY_COMMIT_UNREACHED', true])
  const [result] = results
  expect(result).toMatchObject({ entry: { data: '2' } })
})

test('a client of the live socket waits, and none of its other writes do', async () => {
  const { leader } = await oneStopped()
  const client = connect(leader.url, { WebSocket })
  const waiting = client.set('a', 1, { commit: 'ALL', commitTimeoutMs: LONG_MS })
  await expect.poll(() => leader.status().sync.waitingCommits).toBe(1)
  expect(await client.set('a', 2)).toMatchObject({ outcome: 'written' })
  expect(await client.delete('b/*')).toBe('written')
  const short = client.push('log/*', 3, { commit: 'ALL', commitTimeoutMs: 1 })
  await expect(short).rejects.toMatchObject({
    code: 'SKERRY_COMMIT_UNREACHED',
    refusal: {
      path: expect.stringMatching(/^log\//) as string,
      missing: expect.arrayContaining(['far']) as string[],
    },
  })
  const quorum = { commit: 'QUORUM', commitTimeoutMs: LONG_MS } as const
  expect(await client.set('c', 4, quorum)).toMatchObject({ path: 'c', outcome: 'written' })
  client.close()
  await expect(waiting).rejects.toMatchObject({ code: 'SKERRY_CLIENT_CLOSED' })
  const offline = connect(leader.url, { WebSocket, offline: 'commit' })
  await expect(offline.set('a', 1, quorum)).rejects.toMatchObject({
    code: 'SKERRY_CLIENT_OPTION_INVALID',
  })
  offline.close()
})

test('a node that stops answers those that wait as things stand', async () => {
  const { leader } = await oneStopped()
  const waiting = leader.state
    .set('a', 1, { commit: 'ALL', commitTimeoutMs: LONG_MS })
    .catch((thrown: unknown) => thrown)
  await expect.poll(() => leader.status().sync.waitingCommits).toBe(1)
  await leader.close()
  expect(await waiting).toMatchObject({ code: 'SKERRY_COMMIT_UNREACHED' })
})
