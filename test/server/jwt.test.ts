import { writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { ManualEnv } from '../state/manual-env.ts'
import { directory } from './directory.ts'
import { failure, runningNode } from './running.ts'

const NOW_SECONDS = 1_767_602_580
const rights = [{ verbs: ['read', 'write'], paths: ['users/*'] }]
const claims = {
  sub: 'ada',
  iss: 'https://issuer.example',
  aud: 'skerry',
  exp: NOW_SECONDS + 3600,
  skerry: rights,
}

let mine: { publicKey: CryptoKey; privateKey: CryptoKey }
let others: typeof mine
let keySet: string

beforeAll(async () => {
  mine = await generateKeyPair('ES256')
  others = await generateKeyPair('ES256')
  const key = { ...(await exportJWK(mine.publicKey)), kid: 'mine', alg: 'ES256' }
  keySet = JSON.stringify({ keys: [key] })
})

function signed(payload: JWTPayload, key = mine.privateKey): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'mine' }).sign(key)
}

function jwt(jwks: string) {
  return { jwks, issuer: claims.iss, audience: claims.aud }
}

async function keyFile(): Promise<string> {
  const path = `${await directory()}/jwks.json`
  await writeFile(path, keySet)
  return path
}

/** A server of keys, and how often it was asked. */
async function keyServer(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
}

async function get(url: string, token: string): Promise<Response> {
  return fetch(`${url}/users/*`, { headers: { authorization: `Bearer ${token}` } })
}

test('a token signed by the issuer has the rights that its claim holds, and no others', async () => {
  const { url } = await runningNode({ jwt: jwt(await keyFile()) }, new ManualEnv())
  const headers = { authorization: `Bearer ${await signed(claims)}` }
  expect((await fetch(`${url}/users/*`, { headers })).status).toBe(200)
  expect((await fetch(`${url}/users/1`, { method: 'POST', body: '1', headers })).status).toBe(200)
  expect((await fetch(`${url}/users/1`, { method: 'DELETE', headers })).status).toBe(403)
  expect((await fetch(`${url}/settings`, { headers })).status).toBe(403)
  const without = await signed({ ...claims, skerry: undefined })
  expect((await get(url, without)).status).toBe(403)
})

test.each<[string, () => Promise<string> | string]>([
  ['expired', () => signed({ ...claims, exp: NOW_SECONDS - 60 })],
  ['is not valid yet', () => signed({ ...claims, nbf: NOW_SECONDS + 60 })],
  ['never expires', () => signed({ ...claims, exp: undefined })],
  ['names nobody', () => signed({ ...claims, sub: undefined })],
  ['is of another issuer', () => signed({ ...claims, iss: 'https://evil.example' })],
  ['is for somebody else', () => signed({ ...claims, aud: 'another' })],
  ['has rights that are none', () => signed({ ...claims, skerry: 'all' })],
  ['has paths that are none', () => signed({ ...claims, skerry: [{ verbs: [], paths: ['//'] }] })],
  ['is signed by another key', () => signed(claims, others.privateKey)],
  ['is not signed', () => `${new UnsecuredJWT(claims).encode()}x`],
  [
    'is signed with the public key as a secret',
    () =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', kid: 'mine' })
        .sign(new TextEncoder().encode(keySet)),
  ],
  ['was tampered with', async () => (await signed(claims)).replace(/\.[^.]+\./, '.e30.')],
])('a token that %s is refused', async (_name, token) => {
  const { url } = await runningNode({ jwt: jwt(await keyFile()) }, new ManualEnv())
  const response = await get(url, await token())
  expect(await failure(response)).toEqual({ status: 401, code: 'SKERRY_UNAUTHENTICATED' })
})

test('a token that was good is refused once it has expired', async () => {
  const env = new ManualEnv()
  const { url } = await runningNode({ jwt: jwt(await keyFile()) }, env)
  const token = await signed({ ...claims, exp: NOW_SECONDS + 30 })
  expect((await get(url, token)).status).toBe(200)
  expect((await get(url, token)).status).toBe(200)
  env.advance(36_000)
  expect((await get(url, token)).status).toBe(401)
})

test('keys come from an address, and are asked for once', async () => {
  let asked = 0
  const jwks = await keyServer((_request, response) => {
    asked++
    response.setHeader('content-type', 'application/json').end(keySet)
  })
  const { url } = await runningNode({ jwt: jwt(jwks) }, new ManualEnv())
  const all = await Promise.all(
    Array.from({ length: 20 }, async (_, n) => get(url, await signed({ ...claims, n }))),
  )
  expect(all.map(({ status }) => status)).toEqual(Array(20).fill(200))
  expect(asked).toBe(1)
})

test('without keys nobody is let in, and what is wrong is the node', async () => {
  const jwks = await keyServer((_request, response) => response.writeHead(500).end())
  const { url } = await runningNode({ jwt: jwt(jwks) }, new ManualEnv())
  const response = await get(url, await signed(claims))
  expect(await failure(response)).toEqual({ status: 503, code: 'SKERRY_KEYS_UNAVAILABLE' })
})
