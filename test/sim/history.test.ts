import { expect, test } from 'vitest'
import type { Entry } from '../../src/core/entry.ts'
import { heldKey, packHeld } from '../../src/store/layout.ts'
import { Asked } from '../../sim/asked.ts'
import { Disk } from '../../sim/disk.ts'
import { wallNs } from '../../sim/env.ts'
import { History, type Witness } from '../../sim/history.ts'
import { FAST_DISK } from '../../sim/cluster.ts'
import { Process } from '../../sim/process.ts'
import { Random } from '../../sim/random.ts'
import { Trace } from '../../sim/trace.ts'
import { World } from '../../sim/world.ts'

// What the history excuses, and that it still finds what is broken next to each excuse.

const PATH = 'users/1'

const TTL_MS = 3_600_000

/** Older than tombstones are kept. */
const OLD = wallNs(-2 * TTL_MS)

/** A version by `origin`, so many nanoseconds after the start, or at a stamp; null data is a delete. */
function version(at: number | bigint, origin: string, data: string | null = `"${at}"`): Entry {
  const stamp = typeof at === 'bigint' ? at : wallNs(0) + BigInt(at)
  const times = data === null ? { created: 0n, updated: stamp } : { created: stamp, updated: 0n }
  return { path: PATH, origin, data, ...times }
}

/** Nodes that are nothing but disks, and what the history makes of what happens to them. */
class Stage {
  readonly world = new World(new Random(1), new Trace())
  readonly history = new History(this.world, { tombstoneTtlMs: TTL_MS })
  readonly #witnesses = new Map<string, Witness>()
  #seq = 0

  constructor(...names: string[]) {
    for (const name of names) {
      const disk = new Disk(FAST_DISK, new Random(2))
      const witness = { name, id: name, disk, knowsAcknowledged: () => true }
      this.#witnesses.set(name, witness)
      this.history.join(witness)
    }
  }

  witness(name: string): Witness {
    return this.#witnesses.get(name)!
  }

  /** The node has the version now, from another one or by a write of its own. */
  async has(name: string, entry: Entry, from = ''): Promise<void> {
    if (from === '' && entry.data === null) this.history.deleting(this.witness(name), PATH)
    await this.#commit(name, entry, from)
  }

  /** The node makes it without a client. */
  async makes(name: string, entry: Entry): Promise<void> {
    await this.#commit(name, entry, '')
  }

  /** The node writes it, and tells its client so. */
  async writes(name: string, entry: Entry): Promise<void> {
    await this.has(name, entry)
    this.history.acknowledgedWrite(this.witness(name), entry, this.world.nowMs)
  }

  /** It is on the node's disk no more, and nobody is told. */
  async drops(name: string): Promise<void> {
    await this.#put(this.witness(name), undefined)
  }

  /** The node collects the tombstone of which others may know. */
  async collects(name: string, remembered = ['**']): Promise<void> {
    await this.drops(name)
    this.history.collected(this.witness(name), remembered)
  }

  /** The node's disk is lost; a copy, if there is one, takes its place. */
  loses(name: string, copy?: ReturnType<Disk['copy']>): void {
    const witness = this.witness(name)
    if (copy === undefined) witness.disk.wipe()
    else witness.disk.restore(copy)
    this.history.lost(witness)
  }

  /** What is wrong at the end, if anything is. */
  async verdict(): Promise<string | undefined> {
    this.history.checkNothingLost()
    try {
      await this.world.run(0)
      return undefined
    } catch (error) {
      return (error as Error).message.split(':')[0]
    }
  }

  async #commit(name: string, entry: Entry, from: string): Promise<void> {
    const witness = this.witness(name)
    const before = witness.disk.record(PATH)?.entry
    const seq = ++this.#seq
    await this.#put(witness, packHeld({ entry, seq, from }))
    const shown = (of: Entry | undefined): Entry | undefined => (of?.data === null ? undefined : of)
    const change = { seq, entry, before: shown(before), after: shown(entry), from }
    this.history.committed(witness, { changes: [change], seq })
  }

  async #put({ name, disk }: Witness, value: Uint8Array | undefined): Promise<void> {
    const op = { key: heldKey(PATH), ...(value === undefined ? {} : { value }) }
    void disk.open(new Process(this.world, name)).write([op])
    await this.world.run(FAST_DISK.writeMs[1])
  }
}

test('an acknowledged write that is gone is found out', async () => {
  const stage = new Stage('a', 'b')
  await stage.writes('a', version(5, 'a'))
  await stage.drops('a')
  expect(await stage.verdict()).toBe('loss')
})

test('a delete that no client asked for is found out', async () => {
  const stage = new Stage('a', 'b')
  await stage.writes('a', version(5, 'a'))
  await stage.has('b', version(5, 'a'), 'a')
  await stage.makes('b', version(5, 'a', null))
  expect(await stage.verdict()).toBe('absence')
})

/** Node a deleted what it had, and has no trace of that any more; its backup is from between. */
async function deletedInBackup(
  forget: (stage: Stage) => void | Promise<void>,
): Promise<{ stage: Stage; backup: ReturnType<Disk['copy']> }> {
  const stage = new Stage('a', 'b')
  await stage.has('a', version(5, 'a'))
  await stage.has('a', version(50, 'a', null))
  const backup = stage.witness('a').disk.copy()
  await forget(stage)
  return { stage, backup }
}

test.each<[how: string, forget: (stage: Stage) => void | Promise<void>]>([
  ['was collected', (stage) => stage.collects('a', [])],
  ['went with a disk', (stage) => stage.loses('a')],
])('a delete that %s and is back with an old disk may be stamped anew', async (_, forget) => {
  const { stage, backup } = await deletedInBackup(forget)
  stage.loses('a', backup)
  await stage.makes('a', version(40, 'a', null))
  await stage.makes('a', version(51, 'a', null))
  expect(await stage.verdict()).toBe(undefined)
})

test('a delete of what is back with an old disk is found out, though it was asked for before', async () => {
  const stage = new Stage('a', 'b')
  await stage.has('a', version(5, 'a'))
  const backup = stage.witness('a').disk.copy()
  await stage.has('a', version(50, 'a', null))
  stage.loses('a', backup)
  await stage.makes('a', version(60, 'a', null))
  expect(await stage.verdict()).toBe('absence')
})

test('a delete that was asked for, and lost with the run of the node, is found out in a later run', async () => {
  const stage = new Stage('a')
  await stage.has('a', version(5, 'a'))
  stage.history.deleting(stage.witness('a'), PATH)
  stage.history.kept(stage.witness('a'), [])
  await stage.makes('a', version(50, 'a', null))
  expect(await stage.verdict()).toBe('absence')
})

test('a delete that nobody asked for does not count against one that somebody asks for', () => {
  const asked = new Asked()
  expect(asked.done('a', PATH)).toBe(false)
  asked.delete('a', PATH)
  expect(asked.done('a', PATH)).toBe(true)
  expect(asked.done('a', PATH)).toBe(false)
})

/** Node a's acknowledged write went to b, which has a backup with a version of its own from a wild clock. */
async function overruledByBackup(): Promise<{ stage: Stage; backup: ReturnType<Disk['copy']> }> {
  const stage = new Stage('a', 'b')
  await stage.has('b', version(90, 'b'))
  const backup = stage.witness('b').disk.copy()
  stage.loses('b')
  await stage.writes('a', version(50, 'a'))
  await stage.has('b', version(50, 'a'), 'a')
  return { stage, backup }
}

test('what went with all its disks is owed no more, though what is left is stamped below it', async () => {
  const { stage, backup } = await overruledByBackup()
  stage.loses('a')
  stage.loses('b', backup)
  await stage.has('b', { ...version(40, 'b'), data: '"90"' })
  expect(await stage.verdict()).toBe(undefined)
})

test('what a disk still had is owed, though another one lost it', async () => {
  const { stage, backup } = await overruledByBackup()
  stage.loses('b', backup)
  await stage.has('b', { ...version(40, 'b'), data: '"90"' })
  await stage.drops('a')
  expect(await stage.verdict()).toBe('loss')
})

test('a delete of which nothing is left anywhere is done', async () => {
  const stage = new Stage('a', 'b')
  await stage.writes('a', version(10, 'a', null))
  await stage.drops('a')
  expect(await stage.verdict()).toBe(undefined)
})

test('a delete that is gone while another node has what it deleted is found out', async () => {
  const stage = new Stage('a', 'b')
  await stage.has('a', version(5, 'a'))
  await stage.has('b', version(5, 'a'), 'a')
  await stage.writes('a', version(10, 'a', null))
  await stage.collects('a')
  expect(await stage.verdict()).toBe('loss')
})

/** Both have deleted what they had; then one of them, which has forgotten that, hears of an older delete. */
async function olderDelete(): Promise<Stage> {
  const stage = new Stage('a', 'b', 'c')
  await stage.has('c', version(4, 'c', null))
  await stage.has('a', version(5, 'a'))
  await stage.has('b', version(5, 'a'), 'a')
  await stage.writes('a', version(10, 'a', null))
  return stage
}

test('an older delete may come to where the newer one is forgotten', async () => {
  const stage = await olderDelete()
  await stage.has('b', version(10, 'a', null), 'a')
  for (const name of ['a', 'b']) await stage.collects(name)
  await stage.has('a', version(4, 'c', null), 'c')
  expect(await stage.verdict()).toBe(undefined)
})

test('an older delete beside a node that has what the newer one deleted is found out', async () => {
  const stage = await olderDelete()
  await stage.collects('a')
  await stage.has('a', version(4, 'c', null), 'c')
  expect(await stage.verdict()).toBe('loss')
})

test('an older delete in the place of a newer one that is not collected is found out', async () => {
  const stage = await olderDelete()
  await stage.has('b', version(10, 'a', null), 'a')
  await stage.has('a', version(4, 'c', null), 'c')
  expect(await stage.verdict()).toBe('order')
})

test('a delete that nobody else had binds nobody once it is collected, also if what came meanwhile is stamped lower', async () => {
  const stage = new Stage('a', 'b')
  await stage.writes('a', version(50, 'a', null))
  await stage.has('b', version(60, 'b'))
  await stage.collects('a', [])
  await stage.has('b', { ...version(40, 'b'), data: '"60"' })
  expect(await stage.verdict()).toBe(undefined)
})

test('a collection that was under way as a node crashed may be done: its deletes are forgotten then', async () => {
  for (const collecting of [true, false]) {
    const stage = new Stage('a', 'b')
    await stage.writes('a', version(50, 'a', null))
    const node = stage.witness('a')
    if (collecting) stage.history.collecting(node, ['**'])
    await stage.drops('a')
    stage.history.kept(node, [])
    await stage.has('b', version(40, 'b', null))
    await stage.has('a', version(40, 'b', null), 'b')
    expect(await stage.verdict()).toBe(collecting ? undefined : 'order')
  }
})

test('a delete that another node still has binds all, though who collected it knew nobody', async () => {
  const stage = new Stage('a', 'b', 'c')
  await stage.has('a', version(5, 'a'))
  await stage.has('c', version(5, 'a'), 'a')
  await stage.writes('a', version(50, 'a', null))
  await stage.has('b', version(50, 'a', null), 'a')
  await stage.collects('a', [])
  await stage.collects('b')
  expect(await stage.verdict()).toBe('loss')
})

/** Node b wrote what nobody heard of; meanwhile a deleted the path, and has forgotten that. */
async function lateWrite(data: string | null): Promise<Stage> {
  const stage = new Stage('a', 'b')
  await stage.has('b', version(5, 'b', data))
  await stage.writes('a', version(10, 'a', null))
  await stage.collects('a')
  await stage.has('a', version(5, 'b', data), 'b')
  return stage
}

test('a late write counts from then on, and must not be lost', async () => {
  expect(await (await lateWrite('"late"')).verdict()).toBe(undefined)
  const stage = await lateWrite('"late"')
  for (const name of ['a', 'b']) await stage.drops(name)
  expect(await stage.verdict()).toBe('loss')
})

test('what was deleted, though nobody was told so, is owed no more once a late write undoes the delete', async () => {
  const deletedAt = async (at: number): Promise<Stage> => {
    const stage = new Stage('a', 'b', 'c')
    await stage.has('b', version(5, 'b'))
    await stage.writes('c', version(8, 'c'))
    await stage.has('a', version(at, 'a', null))
    await stage.drops('c')
    await stage.collects('a')
    await stage.has('a', version(5, 'b'), 'b')
    return stage
  }
  expect(await (await deletedAt(10)).verdict()).toBe(undefined)
  expect(await (await deletedAt(7)).verdict()).toBe('loss')
})

test('a delete that has expired is waited for no more', async () => {
  const stage = new Stage('a', 'b')
  await stage.has('a', version(OLD, 'a'))
  await stage.has('b', version(OLD, 'a'), 'a')
  await stage.writes('a', version(OLD + 1n, 'a', null))
  await stage.collects('a')
  expect(await stage.verdict()).toBe(undefined)
})

test('a delete may be lost to who had not heard of it with a disk that was relied on', async () => {
  const stage = new Stage('a', 'b', 'c')
  await stage.has('a', version(5, 'a'))
  await stage.has('c', version(5, 'a'), 'a')
  await stage.writes('a', version(10, 'a', null))
  await stage.has('b', version(10, 'a', null), 'a')
  stage.loses('b')
  await stage.collects('a')
  expect(await stage.verdict()).toBe(undefined)
})
