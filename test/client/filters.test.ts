import { expect, test } from 'vitest'
import type { Filters, ServerOptions } from '../../src/index.ts'
import { runningNode } from '../server/running.ts'
import { connected, untilOnline } from './connected.ts'

const REFUSED = { code: 'SKERRY_FILTER_REFUSED', status: 400 }

function no(): never {
  throw new Error('not this one')
}

/** A node and a client whose every write is a stamped delivery. */
async function delivering(filters: Filters, options: ServerOptions = {}) {
  const server = await runningNode({ filters, ...options })
  const client = connected(server.url, { offline: true })
  await untilOnline(client)
  return { server, client }
}

test('what a client delivers goes through write filters and schemas, under its own stamp', async () => {
  const told: string[] = []
  const { server, client } = await delivering({
    'log/*': { write: (_path, line: unknown) => ({ line }), afterWrite: (path) => told.push(path) },
    'log/closed': { write: no },
    'users/*': { schema: { type: 'object', required: ['name'] } },
  })
  expect((await client.set('log/a', 'x')).outcome).toBe('written')
  expect(await server.state.text.get('log/a')).toMatchObject({
    data: '{"line":"x"}',
    origin: expect.stringMatching(/^client\./) as string,
  })
  await expect(client.set('log/closed', 'x')).rejects.toMatchObject(REFUSED)
  await expect(client.set('users/ada', { age: 36 })).rejects.toMatchObject({
    code: 'SKERRY_SCHEMA_VIOLATED',
  })
  expect((await client.set('users/ada', { name: 'Ada' })).outcome).toBe('written')
  await expect(client.patch('users/ada', { name: null })).rejects.toMatchObject({
    code: 'SKERRY_SCHEMA_VIOLATED',
  })
  expect(told).toEqual(['log/a'])
  expect(await server.state.text.keys()).toEqual(['log/a', 'users/ada'])
})

test('a delete filter refuses a delivered delete, of a glob whole', async () => {
  const { server, client } = await delivering({ 'box/kept': { delete: no } })
  for (const name of ['a', 'kept', 'z']) await server.state.text.set(`box/${name}`, '1')
  await expect(client.delete('box/kept')).rejects.toMatchObject(REFUSED)
  await expect(client.delete('box/*')).rejects.toMatchObject(REFUSED)
  expect(await server.state.text.list('box/*')).toHaveLength(3)
  await client.delete('box/a')
  expect(await server.state.text.keys()).toEqual(['box/kept', 'box/z'])
})

test('a static node takes in no delivery to what no filter opens', async () => {
  const { server, client } = await delivering({ 'open/*': { open: true } }, { static: true })
  const closed = { code: 'SKERRY_ROUTE_CLOSED', status: 403 }
  await expect(client.set('shut/a', 1)).rejects.toMatchObject(closed)
  await expect(client.delete('shut/*')).rejects.toMatchObject(closed)
  expect((await client.set('open/a', 1)).outcome).toBe('written')
  expect((await server.store.list('**')).entries.map(({ path }) => path)).toEqual(['open/a'])
})
