import assert from 'node:assert/strict'
import { type Engine, type EngineOp, type EngineRange, SCAN_CHUNK } from '../store/engine.ts'

/** A place that holds one engine. */
export interface EnginePlace {
  /** Opens the engine that lies there, or makes one. The suite closes it before it opens it again. */
  open(): Promise<Engine>
  /** Clears it away; the engine is closed. */
  remove(): Promise<void>
}

/** What the suite needs of a test framework, and of the engine under test. */
export interface EngineSuiteOptions {
  /** Registers a test: `test` of Vitest, node:test or any other framework. */
  readonly test: (name: string, body: () => Promise<void>) => void
  /** Makes an empty place. */
  readonly place: () => Promise<EnginePlace>
}

/** The conformance suite of the `Engine` port: what the store relies on. */
export function engineSuite({ test, place }: EngineSuiteOptions): void {
  const scenario = (name: string, body: (engine: Engine, place: EnginePlace) => Promise<void>) => {
    test(name, async () => {
      const where = await place()
      const engine = await where.open()
      try {
        await body(engine, where)
      } finally {
        await engine.close()
        await where.remove()
      }
    })
  }

  scenario('a value is there until it is deleted', async (engine) => {
    assert.equal(engine.get('a'), undefined)
    await engine.write([put('a', '1'), put('b', '')])
    assert.equal(text(engine.get('a')), '1')
    assert.equal(text(engine.get('b')), '')
    await engine.write([put('a', '2'), { key: 'b' }, { key: 'c' }])
    assert.equal(text(engine.get('a')), '2')
    assert.equal(engine.get('b'), undefined)
  })

  scenario('of several steps at one key the last one counts', async (engine) => {
    await engine.write([put('a', '1'), put('a', '2'), put('b', '1'), { key: 'b' }])
    await engine.write([{ key: 'a' }, put('a', '3')])
    assert.deepEqual(await all(engine, { from: '', to: '~' }), [['a', '3']])
  })

  scenario(
    'a scan goes from its first key to before its last, in code-unit order',
    async (engine) => {
      const keys = ['a', 'a-', 'a.', 'a/', 'a/1', 'a0', 'aA', 'aZ', 'a_', 'aa', 'b']
      await engine.write([...keys].reverse().map((key) => put(key, key)))
      const scanned = async (range: EngineRange) => (await all(engine, range)).map(([key]) => key)
      assert.deepEqual(await scanned({ from: '', to: '~' }), keys)
      assert.deepEqual(await scanned({ from: 'a/', to: 'aA' }), ['a/', 'a/1', 'a0'])
      assert.deepEqual(await scanned({ from: 'a/0', to: 'aB' }), ['a/1', 'a0', 'aA'])
      assert.deepEqual(await scanned({ from: 'c', to: 'd' }), [])
      assert.deepEqual(await scanned({ from: 'b', to: 'a' }), [])
      for (const limit of [1, 2, 5, keys.length, 100]) {
        assert.deepEqual(await scanned({ from: '', to: '~', limit }), keys.slice(0, limit))
      }
    },
  )

  scenario('a long scan comes in chunks, none of them empty or too large', async (engine) => {
    const count = 2 * SCAN_CHUNK + 500
    await engine.write(numbered(count, 'x'))
    for (const limit of [undefined, SCAN_CHUNK, SCAN_CHUNK + 1, count]) {
      const sizes: number[] = []
      const range = limit === undefined ? everything : { ...everything, limit }
      for await (const chunk of engine.scan(range)) sizes.push(chunk.length)
      assert.equal(
        sizes.reduce((sum, size) => sum + size, 0),
        limit ?? count,
      )
      assert.ok(sizes.every((size) => size > 0 && size <= SCAN_CHUNK))
    }
  })

  scenario(
    'a scan shows what was there at its call, whatever is written meanwhile',
    async (engine) => {
      const count = 2 * SCAN_CHUNK
      await engine.write(numbered(count, 'old'))
      const before = engine.scan(everything)
      await engine.write([...numbered(count, 'new'), put('k', 'extra')])
      const under = engine.scan(everything)
      let values = new Set<string | undefined>()
      for await (const chunk of before) {
        for (const [, value] of chunk) values.add(text(value))
        await engine.write([put('k2', 'later')])
      }
      assert.deepEqual(values, new Set(['old']))
      values = new Set()
      for await (const chunk of under) for (const [, value] of chunk) values.add(text(value))
      assert.deepEqual(values, new Set(['new', 'extra']))
    },
  )

  scenario('a scan may be left before its end', async (engine) => {
    await engine.write(numbered(3 * SCAN_CHUNK, 'x'))
    for await (const chunk of engine.scan(everything)) {
      assert.equal(chunk.length, SCAN_CHUNK)
      break
    }
    await engine.write([put('a', '1')])
    assert.equal(text(engine.get('a')), '1')
  })

  scenario(
    'readers see a write from the turn on in which it is said to be shown',
    async (engine) => {
      await engine.write(numbered(SCAN_CHUNK, 'old'))
      let shown = 0
      let scanned: Promise<[string, string][]> | undefined
      const writing = engine.write(numbered(SCAN_CHUNK, 'new'), () => {
        shown++
        assert.equal(text(engine.get(key(5))), 'new')
        scanned = all(engine, everything)
      })
      // An engine that waits for no disk may have shown it already; then readers must see it already.
      const expected = shown === 0 ? 'old' : 'new'
      assert.equal(text(engine.get(key(5))), expected)
      const meanwhile = await all(engine, everything)
      assert.deepEqual(new Set(meanwhile.map(([, value]) => value)), new Set([expected]))
      await writing
      assert.equal(shown, 1)
      assert.deepEqual(new Set((await scanned)!.map(([, value]) => value)), new Set(['new']))
    },
  )

  scenario('what was written is there when it is opened again', async (engine, place) => {
    await engine.write(numbered(SCAN_CHUNK + 10, 'x'))
    await engine.write([{ key: key(3) }, put(key(4), 'y')])
    const before = await all(engine, everything)
    await engine.close()
    await engine.close()
    const again = await place.open()
    assert.deepEqual(await all(again, everything), before)
    assert.equal(before.length, SCAN_CHUNK + 9)
    await again.close()
  })
}

const everything = { from: '', to: '~' }

function key(i: number): string {
  return `k${String(i).padStart(6, '0')}`
}

function numbered(count: number, value: string): EngineOp[] {
  return Array.from({ length: count }, (_, i) => put(key(i), value))
}

function put(key: string, value: string): EngineOp {
  return { key, value: Uint8Array.from(value, (char) => char.charCodeAt(0)) }
}

function text(value: Uint8Array | undefined): string | undefined {
  return value && String.fromCharCode(...value)
}

async function all(engine: Engine, range: EngineRange): Promise<[string, string][]> {
  const items: [string, string][] = []
  for await (const chunk of engine.scan(range)) {
    for (const [key, value] of chunk) items.push([key, text(value)!])
  }
  return items
}
