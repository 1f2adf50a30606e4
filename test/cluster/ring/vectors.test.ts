import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { crc32 as zlibCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32, murmur3, utf8 } from '../../../src/cluster/ring/hash.ts'
import { createRing } from '../../../src/cluster/ring.ts'

const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }))

test('crc32 is the checksum of the field', () => {
  // The check value of CRC-32/ISO-HDLC, as in the catalogue of CRC algorithms.
  expect(crc32('123456789')).toBe(0xcbf43926)
  expect(crc32('')).toBe(0)
  fc.assert(
    fc.property(text, (value) => {
      expect(crc32(value)).toBe(zlibCrc32(value))
    }),
  )
})

test('murmur3 gives the published values', () => {
  // From the test vectors that go round with MurmurHash3_x86_32, seed 0.
  expect(murmur3('')).toBe(0)
  expect(murmur3('test')).toBe(0xba6bd213)
  expect(murmur3('Hello, world!')).toBe(0xc0363e43)
  expect(murmur3('The quick brown fox jumps over the lazy dog')).toBe(0x2e4ff723)
})

test('strings are hashed as their UTF-8 bytes', () => {
  fc.assert(
    fc.property(text, (value) => {
      expect([...utf8(value)]).toEqual([...Buffer.from(value)])
    }),
  )
})

/** What `go-ring.go` wrote: owners by Go's own `crc32.ChecksumIEEE` and `sort.Search`. */
interface GoRings {
  readonly keys: readonly string[]
  readonly rings: readonly {
    readonly virtualNodes: number
    readonly ids: readonly string[]
    readonly owners: readonly number[]
  }[]
}

const besides = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const goRings = () => JSON.parse(readFileSync(besides('go-ring.json'), 'utf8')) as GoRings

test('crc32 has the owners that the Go ring computed, key by key', () => {
  const { keys, rings } = goRings()
  expect(keys.length * rings.length).toBeGreaterThan(2_000)
  for (const { virtualNodes, ids, owners } of rings) {
    const ring = createRing({ algorithm: 'crc32', virtualNodes })
    for (const id of [...ids].reverse()) ring.add({ id })
    expect(keys.map((key) => ring.getNode(key))).toEqual(owners.map((owner) => ids[owner]))
  }
})

test('the owners of the Go ring are what Go computes', { timeout: 180_000 }, (context) => {
  const { status } = spawnSync('go', ['version'], { stdio: 'ignore' })
  if (status !== 0) return context.skip('go is not on PATH; the owners it computed are kept')
  const made = spawnSync('go', ['run', besides('go-ring.go')], { encoding: 'utf8' })
  expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' })
  expect(JSON.parse(made.stdout)).toEqual(goRings())
})

/** The Go ring's rule, written down naively and with zlib's checksum instead of ours. */
function goOwner(ids: readonly string[], virtualNodes: number, key: string): string {
  const points = ids
    .flatMap((id) =>
      Array.from({ length: virtualNodes }, (_, index) => ({
        id,
        point: zlibCrc32(`${id}:${index}`),
      })),
    )
    .sort((a, b) => a.point - b.point || (a.id < b.id ? -1 : 1))
  const hash = zlibCrc32(key)
  return (points.find(({ point }) => point >= hash) ?? points[0]!).id
}

test('crc32 agrees with the rule of the Go ring, key by key', () => {
  const ids = ['node-1', 'node-2', 'node-3', 'nœud-4', '节点-5']
  for (const virtualNodes of [1, 10, 100]) {
    const ring = createRing({ algorithm: 'crc32', virtualNodes })
    for (const id of ids) ring.add({ id })
    for (let index = 0; index < 300; index++) {
      const key = `users/${index}/ключ`
      expect(ring.getNode(key)).toBe(goOwner(ids, virtualNodes, key))
    }
  }
})

test('crc32 wraps: a key above the highest point belongs to the lowest', () => {
  const ring = createRing({ algorithm: 'crc32', virtualNodes: 1 })
  ring.add({ id: 'a' })
  ring.add({ id: 'b' })
  // "a:0" lies at 0xb18799b3 and "b:0" at 0xecb4be70 (zlib); the key lies above both.
  expect([zlibCrc32('a:0'), zlibCrc32('b:0')].every((point) => point < 0xf0000000)).toBe(true)
  const key = Array.from({ length: 1_000 }, (_, index) => `key-${index}`).find(
    (name) => zlibCrc32(name) > 0xf0000000,
  )!
  const lowest = zlibCrc32('a:0') < zlibCrc32('b:0') ? 'a' : 'b'
  expect(ring.getNode(key)).toBe(lowest)
})

test('ketama agrees with four little-endian points from each MD5 of "<id>-<i>"', () => {
  const ids = ['10.0.0.1:11211', '10.0.0.2:11211', '10.0.0.3:11211']
  const md5 = (value: string) => createHash('md5').update(value).digest()
  const points = ids
    .flatMap((id) =>
      Array.from({ length: 40 }, (_, index) => md5(`${id}-${index}`)).flatMap((digest) =>
        [0, 4, 8, 12].map((at) => ({ id, point: digest.readUInt32LE(at) })),
      ),
    )
    .sort((a, b) => a.point - b.point)
  const ring = createRing({ algorithm: 'ketama' })
  for (const id of ids) ring.add({ id })
  for (let index = 0; index < 500; index++) {
    const hash = md5(`key-${index}`).readUInt32LE(0)
    const owner = (points.find(({ point }) => point >= hash) ?? points[0]!).id
    expect(ring.getNode(`key-${index}`)).toBe(owner)
  }
})
