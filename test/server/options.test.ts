import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createServer, SkerryError, type ServerOptions } from '../../src/index.ts'
import { resolveOptions } from '../../src/server/resolve.ts'
import { runningNode } from './running.ts'

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'skerry-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

test('options are completed and frozen', () => {
  const options = resolveOptions({ keys: ['users/*'], port: 0 })
  expect(options).toMatchObject({
    host: '127.0.0.1',
    port: 0,
    data: 'skerry-data',
    keys: ['users/*'],
    bodyLimitBytes: 10_485_760,
    maxClockDriftMs: 60_000,
    tombstoneTtlMs: 2_592_000_000,
  })
  expect(Object.isFrozen(options) && Object.isFrozen(options.keys)).toBe(true)
  expect(resolveOptions({})).toMatchObject({ port: 8800, keys: ['**'] })
  expect(resolveOptions({ memory: true, data: undefined }).data).toBeUndefined()
})

const JWT = { jwks: 'https://x', issuer: 'i', audience: 'a' }

test.each([
  [{ prot: 1 }, 'SKERRY_OPTION_UNKNOWN', "'prot'"],
  [{ toString: 1 }, 'SKERRY_OPTION_UNKNOWN', "'toString'"],
  [{ port: 65_536 }, 'SKERRY_OPTION_INVALID', "'port'"],
  [{ port: '80' }, 'SKERRY_OPTION_INVALID', "'port'"],
  [{ host: '' }, 'SKERRY_OPTION_INVALID', "'host'"],
  [{ memory: 1 }, 'SKERRY_OPTION_INVALID', "'memory'"],
  [{ memory: true, data: 'x' }, 'SKERRY_OPTION_INVALID', "'memory'"],
  [{ keys: 'a' }, 'SKERRY_OPTION_INVALID', "'keys'"],
  [{ keys: ['a//b'] }, 'SKERRY_PATH_INVALID', "'a//b'"],
  [{ keys: ['metrics/*'] }, 'SKERRY_PATH_RESERVED', "'metrics/*'"],
  [{ leader: 'ftp://x' }, 'SKERRY_OPTION_INVALID', "'leader'"],
  [{ leader: 'http://user:pass@x' }, 'SKERRY_OPTION_INVALID', "'leader'"],
  [{ peers: ['x:1', 'http://'] }, 'SKERRY_OPTION_INVALID', "'peers'"],
  [{ tombstoneTtlMs: 0 }, 'SKERRY_OPTION_INVALID', "'tombstoneTtlMs'"],
  [{ tombstoneTtlMs: 59_999 }, 'SKERRY_OPTION_INVALID', "'tombstoneTtlMs'"],
  [{ maxClockDriftMs: -1 }, 'SKERRY_OPTION_INVALID', "'maxClockDriftMs'"],
  [{ requestTimeoutMs: 0 }, 'SKERRY_OPTION_INVALID', "'requestTimeoutMs'"],
  [{ requestTimeoutMs: 1e9 }, 'SKERRY_OPTION_INVALID', "'requestTimeoutMs'"],
  [{ bodyLimitBytes: 1e12 }, 'SKERRY_OPTION_INVALID', "'bodyLimitBytes'"],
  [{ allowedOrigins: ['app.example'] }, 'SKERRY_OPTION_INVALID', "'allowedOrigins'"],
  [{ allowedHosts: 'proxy' }, 'SKERRY_OPTION_INVALID', "'allowedHosts'"],
  [{ tokenFile: '' }, 'SKERRY_OPTION_INVALID', "'tokenFile'"],
  [{ tokenFile: '/no/such/file' }, 'SKERRY_OPTION_INVALID', "'tokenFile'"],
  [{ jwt: 'https://x' }, 'SKERRY_OPTION_INVALID', "'jwt'"],
  [{ jwt: { ...JWT, jwks: 'http://x/keys' } }, 'SKERRY_OPTION_INVALID', "'jwt.jwks'"],
  [{ jwt: { ...JWT, jwks: '/no/such/file' } }, 'SKERRY_OPTION_INVALID', "'jwt.jwks'"],
  [{ jwt: { ...JWT, algorithms: ['HS256'] } }, 'SKERRY_OPTION_INVALID', "'jwt.algorithms'"],
  [{ jwt: { ...JWT, secret: 'x' } }, 'SKERRY_OPTION_UNKNOWN', "'jwt.secret'"],
  [{ jwt: { jwks: 'https://x' } }, 'SKERRY_OPTION_INVALID', "'jwt.issuer'"],
  [{ tls: { cert: 'x' } }, 'SKERRY_OPTION_INVALID', "'tls.key'"],
  [{ tls: { cert: '/no/such/file', key: 'x' } }, 'SKERRY_OPTION_INVALID', "'tls'"],
  [{ logger: 'stderr' }, 'SKERRY_OPTION_INVALID', "'logger'"],
  [{ host: '0.0.0.0' }, 'SKERRY_HOST_INSECURE', "'0.0.0.0'"],
  [{ host: '192.168.0.1' }, 'SKERRY_HOST_INSECURE', "'192.168.0.1'"],
  [{ host: '::' }, 'SKERRY_HOST_INSECURE', "'::'"],
  [{ host: 'example.org' }, 'SKERRY_HOST_INSECURE', "'example.org'"],
] as const)('options %j are refused', async (options, code, named) => {
  const refused = createServer({ memory: true, ...(options as ServerOptions) })
  const error: unknown = await refused.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(SkerryError)
  expect(error).toMatchObject({ code })
  expect((error as Error).message).toContain(named)
})

test('a form of id that no node may have is refused, and the directory is free again', async () => {
  const data = await directory()
  await expect(createServer({ data, id: 'a b' })).rejects.toMatchObject({
    code: 'SKERRY_OPTION_INVALID',
  })
  const server = await createServer({ data, id: 'ok' })
  expect(server.id).toBe('ok')
  await server.close()
})

test.each(['127.0.0.2', '::1', 'localhost'])('loopback as %s needs no leave', async (host) => {
  const { url } = await runningNode({ host })
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('every address can be listened on if the network is trusted', async () => {
  const { url } = await runningNode({ host: '0.0.0.0', insecure: true })
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('data and id survive a restart; a second node can not have the directory', async () => {
  const data = await directory()
  const first = await runningNode({ memory: false, data })
  await first.state.text.set('a', '{"kept":true}')
  const { id } = first
  await expect(createServer({ data })).rejects.toMatchObject({ code: 'SKERRY_DATA_DIR_IN_USE' })
  await first.close()

  const again = await runningNode({ memory: false, data })
  expect(again.id).toBe(id)
  expect(await (await fetch(`${again.url}/a`)).text()).toContain('"data":{"kept":true}')
})

test('a data directory that can not be one is named, and left as it is', async () => {
  const parent = await directory()
  const file = join(parent, 'file')
  await writeFile(file, 'precious')
  await expect(createServer({ data: file })).rejects.toMatchObject({
    code: 'SKERRY_DATA_DIR_UNREADABLE',
  })
  expect(await readdir(parent)).toEqual(['file'])
})

test('a port that is taken is named', async () => {
  const other = createTcpServer()
  onTestFinished(() => void other.close())
  await once(other.listen(0, '127.0.0.1'), 'listening')
  const { port } = other.address() as AddressInfo
  const server = await createServer({ memory: true, port })
  await expect(server.listen()).rejects.toMatchObject({ code: 'SKERRY_LISTEN_FAILED' })
  await server.close()
})
