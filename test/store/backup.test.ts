import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SkerryError } from '../../src/core/errors.ts'
import { backupBytes, backupPieces, joinedBackup } from '../../src/store/backup.ts'
import type { EngineItem } from '../../src/store/engine.ts'
import { MemoryEngine } from '../../src/store/memory.ts'

const KEYS = 700
const VALUE_BYTES = 1000

async function engineWithData(): Promise<MemoryEngine> {
  const engine = new MemoryEngine()
  const value = new Uint8Array(VALUE_BYTES).fill(7)
  await engine.write(Array.from({ length: KEYS }, (_, n) => ({ key: `k${n}`, value })))
  return engine
}

async function collect<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const part of parts) all.push(part)
  return all
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** The records of a backup, whatever part they are of. */
async function* backupItems(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<EngineItem[]> {
  for await (const [, items] of backupPieces(bytes)) yield [...items]
}

const backup = Buffer.concat(await collect(backupBytes(await engineWithData())))

test.each([1009, 65_536, 10_000_000])(
  'a backup is read whole in pieces of %d bytes',
  async (size) => {
    const items = (await collect(backupItems(inPieces(backup, size)))).flat()
    const scanned = await collect((await engineWithData()).scan({ from: '', to: '~' }))
    const texts = (all: readonly EngineItem[]) =>
      all.map(([key, value]) => `${key} ${Buffer.from(value).toString('hex')}`)
    expect(texts(items)).toEqual(texts(scanned.flat()))
  },
)

test('a backup has none of what is written while it is taken', async () => {
  const engine = await engineWithData()
  const taking = backupBytes(engine)
  const first = await taking.next()
  await engine.write([{ key: 'k0' }, { key: 'k999', value: new Uint8Array(1) }])
  const rest = await collect(taking)
  const bytes = Buffer.concat([first.value as Uint8Array, ...rest])
  const items = (await collect(backupItems(inPieces(bytes, 65_536)))).flat()
  expect(items).toHaveLength(KEYS)
})

test('a backup that was cut short anywhere is refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: backup.length - 1 }), async (length) => {
      const reading = collect(backupItems(inPieces(backup.subarray(0, length), 65_536)))
      await expect(reading).rejects.toMatchObject({ code: 'SKERRY_BACKUP_INVALID' })
    }),
    { numRuns: 50 },
  )
})

test('a backup of several parts is told apart, and refused if it was cut short anywhere', async () => {
  const small = new MemoryEngine()
  await small.write([{ key: 'only', value: new Uint8Array(1) }])
  const parts = [
    ['events', backupBytes(small)],
    ['empty', backupBytes(new MemoryEngine())],
    ['store', backupBytes(small)],
  ] as const
  const bytes = Buffer.concat(await collect(joinedBackup(parts)))
  const read = (length: number) => collect(backupPieces(inPieces(bytes.subarray(0, length), 7)))
  const told = (await read(bytes.length)).map(([part, items]) => `${part} ${items.length}`)
  expect(told).toEqual(['events 0', 'events 1', 'empty 0', 'store 0', 'store 1'])
  for (let length = 0; length < bytes.length; length++) {
    await expect(read(length)).rejects.toMatchObject({ code: 'SKERRY_BACKUP_INVALID' })
  }
})

test('bytes that are no backup are refused with a Skerry error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      const reading = collect(backupItems(inPieces(bytes, 50)))
      await expect(reading).rejects.toBeInstanceOf(SkerryError)
    }),
  )
})
