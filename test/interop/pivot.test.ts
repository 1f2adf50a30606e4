import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Server } from '../../src/index.ts'
import { runningNode } from '../server/running.ts'
import { Gate } from './gate.ts'
import { goProgram } from './go-program.ts'
import { Peer } from './peer.ts'

// The same scenarios with each kind of peer, each in a process of its own: Skerry by the pivot protocol alone,
// which always runs, and the published Go module where it can be fetched and built.

const KEYS = ['users/*', 'settings']
const NODES = 'things/*'
const OPTIONS = { keys: KEYS, nodeCheckIntervalMs: 100, nativeLink: false }

/** A Go node looks after its leader every 30 s. */
const LIMIT = { timeout: 100_000, interval: 50 }
const TEST_LIMIT_MS = 300_000

const SKERRY = fileURLToPath(new URL('./processes/peer.ts', import.meta.url))

interface Kind {
  readonly name: string
  /** Undefined: Skerry. Else the version of the Go module. */
  readonly version: string | undefined
}

const KINDS: readonly Kind[] = [
  { name: 'Skerry over /_pivot alone', version: undefined },
  { name: 'Go pivot e564747', version: 'e564747e7a3feda4257e3b35c2f301d293ec2182' },
  { name: 'the newest Go pivot', version: 'latest' },
]

/** Ours in this process, the peer in its own, and both ways between them. */
interface Pair {
  readonly ours: Server
  readonly peer: Peer
  readonly gates: readonly Gate[]
}

function portOf({ url }: Server): number {
  return Number(new URL(url).port)
}

function program({ version }: Kind): string[] {
  if (version === undefined) return [process.execPath, '--import', 'tsx', SKERRY]
  return [goProgram(version).executable!]
}

async function nodeUnderOurs(kind: Kind): Promise<Pair> {
  const ours = await runningNode({ ...OPTIONS, nodesKey: NODES })
  const toOurs = await Gate.open(() => portOf(ours))
  const flags = { keys: KEYS, nodes: NODES, leader: toOurs.address }
  const peer = await Peer.start(program(kind), flags)
  const toPeer = await Gate.open(() => peer.port)
  await ours.state.text.set('things/peer', JSON.stringify({ ip: '127.0.0.1', port: toPeer.port }))
  await expect.poll(() => ours.pivot.status.nodes[0]?.healthy, LIMIT).toBe(true)
  return { ours, peer, gates: [toOurs, toPeer] }
}

async function leaderOverOurs(kind: Kind): Promise<Pair> {
  const flags = { keys: KEYS, nodes: NODES, leader: undefined }
  const peer = await Peer.start(program(kind), flags)
  const toPeer = await Gate.open(() => peer.port)
  const ours = await runningNode({ ...OPTIONS, leader: `http://${toPeer.address}` })
  const toOurs = await Gate.open(() => portOf(ours))
  await peer.set('things/ours', { ip: '127.0.0.1', port: toOurs.port })
  await expect.poll(() => ours.pivot.status.leaders[0]?.active, LIMIT).toBe(true)
  return { ours, peer, gates: [toPeer, toOurs] }
}

type Values = Readonly<Record<string, unknown>>

/** Waits until both sides hold these values: path → value, or undefined for nothing. */
async function bothHold({ ours, peer }: Pair, values: Values): Promise<void> {
  const paths = Object.keys(values)
  const seen = async (read: (path: string) => Promise<unknown>): Promise<Values> =>
    Object.fromEntries(
      await Promise.all(paths.map(async (path) => [path, await read(path)] as const)),
    )
  await expect
    .poll(
      async () => ({
        ours: await seen((path) => oursAt(ours, path)),
        peer: await seen((path) => peer.value(path)),
      }),
      LIMIT,
    )
    .toEqual({ ours: values, peer: values })
}

async function oursAt(ours: Server, path: string): Promise<unknown> {
  const text = (await ours.store.read(path))?.data
  return text === undefined || text === null ? undefined : JSON.parse(text)
}

async function set({ state }: Server, path: string, value: unknown): Promise<void> {
  await state.set(path, value)
}

const ROLES = [
  { role: 'a node under our leader', pairOf: nodeUnderOurs, leads: false },
  { role: 'the leader over our node', pairOf: leaderOverOurs, leads: true },
]

for (const kind of KINDS) {
  describe(kind.name, { timeout: TEST_LIMIT_MS }, () => {
    beforeEach((context) => {
      const why = kind.version && goProgram(kind.version).why
      if (why) context.skip(`the Go module can't be built here: ${why}`)
    }, TEST_LIMIT_MS)
    for (const role of ROLES) describe(`as ${role.role}`, () => scenarios(kind, role))
  })
}

test(
  'killed with a full outbox and started again, a Skerry node delivers everything',
  async () => {
    const pair = await nodeUnderOurs(KINDS[0]!)
    const { ours, peer, gates } = pair
    for (const n of [1, 2]) await set(ours, `users/u${n}`, { n })
    await bothHold(pair, { 'users/u1': { n: 1 }, 'users/u2': { n: 2 } })
    for (const gate of gates) await gate.cut()
    const values: Record<string, unknown> = { 'users/u1': { by: 'peer' }, 'users/u2': undefined }
    await peer.set('users/u1', { by: 'peer' })
    await peer.delete('users/u2')
    for (let n = 0; n < 300; n++) {
      values[`users/k${n}`] = { n }
      await peer.set(`users/k${n}`, { n })
    }
    await peer.kill()
    await peer.run()
    expect(await oursAt(ours, 'users/k0')).toBeUndefined()
    for (const gate of gates) await gate.heal()
    await bothHold(pair, values)
  },
  TEST_LIMIT_MS,
)

function scenarios(kind: Kind, { pairOf, leads }: (typeof ROLES)[number]): void {
  test('creates, edits, deletes and a single key travel both ways', async () => {
    const pair = await pairOf(kind)
    const { ours, peer } = pair
    await set(ours, 'users/a', { n: 1 })
    // A Go node that creates in the very moment in which it fetches may delete that.
    await bothHold(pair, { 'users/a': { n: 1 } })
    await peer.set('users/b', { n: 2 })
    await set(ours, 'settings', { theme: 'dark' })
    await bothHold(pair, { 'users/a': { n: 1 }, 'users/b': { n: 2 }, settings: { theme: 'dark' } })
    await set(ours, 'users/b', { n: 3 })
    await peer.set('users/a', { n: 4 })
    await peer.set('settings', { theme: 'light' })
    await bothHold(pair, { 'users/a': { n: 4 }, 'users/b': { n: 3 }, settings: { theme: 'light' } })
    await ours.state.text.delete('users/a')
    await peer.delete('users/b')
    await bothHold(pair, { 'users/a': undefined, 'users/b': undefined })
    await ours.state.text.delete('settings')
    await bothHold(pair, { settings: undefined })
  })

  test('what both sides wrote and deleted while cut off comes into step', async () => {
    const pair = await pairOf(kind)
    const { ours, peer, gates } = pair
    for (const n of [1, 2, 3, 4, 5]) await set(ours, `users/u${n}`, { n })
    const before = [1, 2, 3, 4, 5].map((n) => [`users/u${n}`, { n }])
    await bothHold(pair, Object.fromEntries(before) as Values)
    for (const gate of gates) await gate.cut()
    await set(ours, 'users/u1', { by: 'ours' })
    await peer.set('users/u2', { by: 'peer' })
    await ours.state.text.delete('users/u3')
    await peer.delete('users/u4')
    await set(ours, 'users/new1', { by: 'ours' })
    await peer.set('users/new2', { by: 'peer' })
    // Ours has the last word, so there is news for the peer whatever it wrote itself.
    await set(ours, 'users/new3', { by: 'ours' })
    for (const gate of gates) await gate.heal()
    // Whoever reads on a Go node has it fetch, and delete what its leader has not taken over yet.
    await expect.poll(() => oursAt(ours, 'users/new2'), LIMIT).toEqual({ by: 'peer' })
    // What a Go node deleted while it was cut off can't be told from what it never had.
    const undone = kind.version !== undefined && !leads
    await bothHold(pair, {
      ...{ 'users/u1': { by: 'ours' }, 'users/u2': { by: 'peer' }, 'users/u3': undefined },
      ...{ 'users/u4': undone ? { n: 4 } : undefined, 'users/u5': { n: 5 } },
      ...{ 'users/new1': { by: 'ours' }, 'users/new2': { by: 'peer' } },
      'users/new3': { by: 'ours' },
    })
  })

  test('killed and started again, the peer has what it had and gets what it missed', async () => {
    const pair = await pairOf(kind)
    const { ours, peer } = pair
    await set(ours, 'users/u1', { n: 1 })
    await bothHold(pair, { 'users/u1': { n: 1 } })
    await peer.set('users/u2', { n: 2 })
    await peer.set('users/u3', { n: 3 })
    await bothHold(pair, { 'users/u1': { n: 1 }, 'users/u2': { n: 2 }, 'users/u3': { n: 3 } })
    await peer.kill()
    await set(ours, 'users/u1', { n: 10 })
    await ours.state.text.delete('users/u2')
    await set(ours, 'users/u4', { n: 4 })
    await peer.run()
    await bothHold(pair, {
      ...{ 'users/u1': { n: 10 }, 'users/u2': undefined },
      ...{ 'users/u3': { n: 3 }, 'users/u4': { n: 4 } },
    })
  })
}
