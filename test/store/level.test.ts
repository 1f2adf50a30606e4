import { ClassicLevel } from 'classic-level'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { pack } from '../../src/core/codec.ts'
import { FORMAT } from '../../src/store/layout.ts'
import { openLevelEngine } from '../../src/store/level.ts'
import { LocalStore } from '../../src/store/local.ts'
import { engineSuite, storeSuite, VirtualEnv } from '../../src/testing.ts'
import { levelPlace } from './places.ts'

let parent: string
let dir: string

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'skerry-level-'))
  dir = join(parent, 'data')
})

afterEach(() => rm(parent, { recursive: true, force: true }))

const open = async (at = dir) => LocalStore.open(await openLevelEngine(at), new VirtualEnv(1))

const code = (name: string) => expect.objectContaining({ code: `SKERRY_${name}` }) as Error

describe('LevelDB as an engine', () => {
  engineSuite({
    test,
    place: async () => {
      const at = await mkdtemp(join(tmpdir(), 'skerry-engine-'))
      return {
        open: () => openLevelEngine(at),
        remove: () => rm(at, { recursive: true, force: true }),
      }
    },
  })
})

describe('the store on LevelDB', () => storeSuite({ test, place: () => levelPlace() }))

describe('a data directory', () => {
  test('is made if it is not there, its parents included', async () => {
    const store = await open(join(dir, 'a', 'b'))
    expect(store.durable).toBe(true)
    await store.close()
  })

  test('in use by another store is refused, and the other one minds nothing', async () => {
    const store = await open()
    await expect(open()).rejects.toThrow(code('DATA_DIR_IN_USE'))
    await store.write([{ path: 'a', decide: () => '1' }])
    await store.close()
    await (await open()).close()
  })

  test('that is a file, or lies in one, is refused', async () => {
    await writeFile(dir, 'precious')
    await expect(open()).rejects.toThrow(code('DATA_DIR_UNREADABLE'))
    await expect(open(join(dir, 'deeper'))).rejects.toThrow(code('DATA_DIR_UNREADABLE'))
    expect(await readFile(dir, 'utf8')).toBe('precious')
  })

  test('that is damaged is refused, and not repaired by dropping data', async () => {
    const store = await open()
    await store.write([{ path: 'a', decide: () => '1' }])
    await store.close()
    const whole = join(parent, 'whole')
    await cp(dir, whole, { recursive: true })
    await writeFile(join(dir, 'CURRENT'), 'MANIFEST-999999\n')
    // LevelDB begins its own LOG anew at each try; what holds data stays as it was.
    const files = async () => (await readdir(dir)).filter((name) => !name.startsWith('LOG'))
    const before = await files()
    await expect(open()).rejects.toThrow(code('DATA_DIR_UNREADABLE'))
    expect(await files()).toEqual(before)
    await rm(dir, { recursive: true })
    await cp(whole, dir, { recursive: true })
    const again = await open()
    expect((await again.read('a'))?.data).toBe('1')
    await again.close()
  })

  test('from a newer version is refused, unchanged, and let go of', async () => {
    await mkdir(dir)
    const engine = await openLevelEngine(dir)
    await engine.write([{ key: 'mformat', value: pack(FORMAT + 1) }])
    await engine.close()
    await expect(open()).rejects.toThrow(code('DATA_DIR_NEWER'))
    const again = await openLevelEngine(dir)
    expect([...again.get('mformat')!]).toEqual([FORMAT + 1])
    expect(again.get('midentity')).toBeUndefined()
    await again.close()
  })

  test('of another program is left alone', async () => {
    const foreign = new ClassicLevel(dir)
    await foreign.put('their key', 'their value')
    await foreign.close()
    await expect(open()).rejects.toThrow(code('CODEC_INVALID'))
    const again = new ClassicLevel(dir)
    expect(await again.keys().all()).toEqual(['their key'])
    await again.close()
  })

  test('with an unreadable identity is refused', async () => {
    await (await open()).close()
    const engine = await openLevelEngine(dir)
    await engine.write([{ key: 'midentity', value: Uint8Array.of(0xc1) }])
    await engine.close()
    await expect(open()).rejects.toThrow(code('CODEC_INVALID'))
    await (await openLevelEngine(dir)).close()
  })
})
