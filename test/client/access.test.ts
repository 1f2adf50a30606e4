import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { directory } from '../server/directory.ts'
import { runningNode } from '../server/running.ts'
import { connected, untilOnline } from './connected.ts'

const token = 'ada-0123456789abcdef'
const FORBIDDEN = { code: 'SKERRY_FORBIDDEN', status: 403 }

test('a client may do on its socket what its token may, deliveries included', async () => {
  const tokenFile = `${await directory()}/tokens.json`
  const rights = [
    { verbs: ['read'], paths: ['users/*'] },
    { verbs: ['write'], paths: ['users/ada'] },
  ]
  await writeFile(tokenFile, JSON.stringify({ tokens: [{ name: 'ada', token, rights }] }))
  const server = await runningNode({ tokenFile })
  const client = connected(server.url, { token: async () => token })
  expect((await client.set('users/ada', 1)).outcome).toBe('written')
  expect(await client.list('users/*')).toHaveLength(1)
  await expect(client.set('users/bob', 1)).rejects.toMatchObject(FORBIDDEN)
  await expect(client.delete('users/ada')).rejects.toMatchObject(FORBIDDEN)
  await expect(client.get('secrets')).rejects.toMatchObject(FORBIDDEN)
  const failed = new Promise((resolve) => client.watch('*', () => undefined, resolve))
  expect(await failed).toMatchObject(FORBIDDEN)

  const offline = connected(server.url, { token, offline: true })
  await untilOnline(offline)
  await expect(offline.set('users/bob', 1)).rejects.toMatchObject(FORBIDDEN)
  expect((await offline.set('users/ada', 2)).outcome).toBe('written')
  expect(await server.state.text.get('users/bob')).toBeUndefined()

  const stranger = connected(server.url, { token: 'wrong-0123456789abcdef' })
  await expect
    .poll(() => stranger.sync.state)
    .toMatchObject({ online: false, lastError: { code: 'SKERRY_CLIENT_UNREACHED' } })
})
