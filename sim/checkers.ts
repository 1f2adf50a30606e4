import { compareVersions, type Entry, fingerprint, stampOf } from '../src/core/entry.ts'
import { matches } from '../src/core/path.ts'
import { readCount, readTuple, unpack } from '../src/core/codec.ts'
import { Digest } from '../src/store/digest.ts'
import { Horizons } from '../src/store/horizons.ts'
import { inHistory, remembersRun, unpackIdentity } from '../src/store/identity.ts'
import {
  CLOCK_KEY,
  type Held,
  IDENTITY_KEY,
  peerAndKey,
  prefixRange,
  visible,
} from '../src/store/layout.ts'
import type { MemoryEngine } from '../src/store/memory.ts'
import type { Position } from '../src/store/store.ts'
import type { Cluster } from './cluster.ts'
import { records } from './disk.ts'
import { sha256 } from './env.ts'
import { say } from './history.ts'
import type { Node } from './node.ts'

/** What lies on a node's disk at one moment. */
interface State {
  readonly node: Node
  readonly contents: MemoryEngine
  readonly records: ReadonlyMap<string, Held>
  readonly horizons: Horizons
}

/** Every disk as it is at this moment. */
async function statesOf(nodes: readonly Node[]): Promise<State[]> {
  const copies = nodes.map((node) => ({ node, contents: node.disk.copy() }))
  return Promise.all(
    copies.map(async ({ node, contents }) => {
      const found = await records(contents)
      const horizons = await Horizons.load(contents)
      const byPath = new Map(found.map((held) => [held.entry.path, held]))
      return { node, contents, records: byPath, horizons }
    }),
  )
}

/**
 * A checkpoint or acknowledgement never runs ahead: whoever is said to have merged a feed up to some
 * number has every version that the feed holds up to there, or a newer one.
 */
export async function checkProgress(cluster: Cluster): Promise<void> {
  const states = await statesOf(cluster.nodes)
  for (const state of states) {
    for await (const chunk of state.contents.scan(prefixRange('c'))) {
      for (const [key, value] of chunk) {
        const [peer, shared] = peerAndKey(key)
        const of = states.find(({ node }) => node.name === peer)
        if (of !== undefined)
          checkMerged(cluster, { by: state, of, shared }, positionOf(value), 'checkpoint')
      }
    }
    for await (const chunk of state.contents.scan(prefixRange('k'))) {
      for (const [key, value] of chunk) {
        const [peer, shared] = peerAndKey(key)
        const by = states.find(({ node }) => node.name === peer)
        if (by === undefined || isNewHistory(by) || isNewHistory(state)) continue
        const [epoch, said] = readTuple(unpack(value), 'acknowledgement')
        if (epoch !== unpackIdentity(by.contents.get(IDENTITY_KEY)!).epoch) continue
        const seq = readCount(said, 'sequence')
        checkMerged(
          cluster,
          { by, of: state, shared },
          { ...lastPosition(state), seq },
          'acknowledgement',
        )
      }
    }
  }
}

/** `by` is said to have merged what `of` had at the position. */
function checkMerged(
  cluster: Cluster,
  { by, of, shared }: { by: State; of: State; shared: string },
  position: Position,
  said: string,
): void {
  const identity = of.contents.get(IDENTITY_KEY)
  if (identity === undefined) return
  const its = unpackIdentity(identity)
  if (!inHistory(its, seqOf(of.contents), position) || !remembersRun(its, position)) return
  for (const { entry, seq } of of.records.values()) {
    if (seq > position.seq || !matches(shared, entry.path)) continue
    const held = by.records.get(entry.path)?.entry
    if (held !== undefined && compareVersions(held, entry, sha256) >= 0) continue
    // Where a delete was forgotten, an older one may have come from who remembers that.
    if (held?.data === null && isForgotten(by, entry)) continue
    if (held === undefined && isForgotten(by, entry)) continue
    // What its writer could tell nobody before is taken in above a delete that was forgotten; who remembers tells again.
    const late = held !== undefined && cluster.history.cameLate(by.node, held)
    if (late && entry.data === null && isForgotten(by, entry)) continue
    // A tombstone that expired went though somebody who is away still has what it deleted.
    const expires = cluster.plan.tombstoneTtlMs !== undefined
    if (held === undefined && expires && stampOf(entry) <= by.horizons.at(entry.path)) continue
    cluster.world.fail(
      'checkpoints',
      `by its ${said} ${by.node.name} has all of ${of.node.name} up to ${position.seq}, ` +
        `but of ${say(entry)}, number ${seq}, it has ${say(held)}`,
    )
  }
}

/** True if the node may have nothing at the path, since a tombstone as new as the version was collected. */
function isForgotten({ node, horizons }: State, entry: Entry): boolean {
  const stamp = stampOf(entry)
  if (entry.data === null) return stamp <= horizons.at(entry.path)
  const withheld = node.disk.withheld(entry.path)
  return withheld !== undefined && stamp <= stampOf(withheld)
}

/** True if the two hold alike: the same, or one has forgotten what the other has. */
function alike(a: State, b: State, path: string): boolean {
  const [left, right] = [a.records.get(path)?.entry, b.records.get(path)?.entry]
  if (left === undefined && right !== undefined) return isForgotten(a, right)
  if (right === undefined && left !== undefined) return isForgotten(b, left)
  // An older delete may have come to where the version is withheld; people decide on that still.
  if (isWithheld(a, right) || isWithheld(b, left)) return true
  return printOf(left) === printOf(right)
}

function isWithheld({ node }: State, entry: Entry | undefined): boolean {
  const withheld = entry && node.disk.withheld(entry.path)
  return withheld !== undefined && compareVersions(withheld, entry!, sha256) === 0
}

function positionOf(value: Uint8Array): Position {
  const [epoch, run, seq] = readTuple(unpack(value), 'position')
  return { epoch: epoch as string, run: run as string, seq: readCount(seq, 'sequence') }
}

/** What others know of a node ends where its history was lost, rewound, or stamped anew. */
function isNewHistory({ node, contents }: State): boolean {
  const identity = contents.get(IDENTITY_KEY)
  const renewed = identity === undefined || unpackIdentity(identity).runs[0]!.firstSeq > 1
  return renewed || node.disk.losses > 0
}

function lastPosition({ contents }: State): Position {
  const { epoch, runs } = unpackIdentity(contents.get(IDENTITY_KEY)!)
  return { epoch, run: runs.at(-1)!.id, seq: seqOf(contents) }
}

function seqOf(contents: MemoryEngine): number {
  const clock = contents.get(CLOCK_KEY)
  return clock === undefined ? 0 : readCount(readTuple(unpack(clock), 'clock')[0], 'sequence')
}

/** What two linked nodes do not have alike, or undefined if they have all they share alike. */
export async function difference(cluster: Cluster): Promise<string | undefined> {
  const states = await statesOf(cluster.nodes)
  for (const edge of cluster.edges) {
    const [a, b] = [stateOf(states, edge.a), stateOf(states, edge.b)]
    const { keys } = edge
    for (const path of new Set([...a.records.keys(), ...b.records.keys()])) {
      if (!keys.some((key) => matches(key, path))) continue
      if (alike(a, b, path)) continue
      const [left, right] = [a.records.get(path)?.entry, b.records.get(path)?.entry]
      return `${edge.a.name} has ${say(left)}, ${edge.b.name} ${say(right)}`
    }
  }
  return undefined
}

/** A node holds only what was written there, or what one of its links shares. */
export async function checkConfined(cluster: Cluster): Promise<void> {
  for (const { node, records } of await statesOf(cluster.nodes)) {
    const links = cluster.edges.filter(({ a, b }) => a === node || b === node)
    const keys = links.flatMap((edge) => edge.keys)
    for (const { entry, from } of records.values()) {
      if (from === '' || keys.some((key) => matches(key, entry.path))) continue
      cluster.world.fail('confinement', `${node.name} has ${say(entry)}, which no link shares`)
    }
  }
  await cluster.world.run(0)
}

/** True if some version is kept aside somewhere. */
export async function anyAside(cluster: Cluster): Promise<boolean> {
  const states = await statesOf(cluster.nodes)
  return states.some((state) =>
    [...state.records.values()].some((held) => held.shown !== undefined),
  )
}

/** Nodes that withhold something, with the paths. */
export async function withheldPaths(cluster: Cluster): Promise<[node: Node, paths: string[]][]> {
  const states = await statesOf(cluster.nodes)
  const found: [Node, string[]][] = []
  for (const { node, contents } of states) {
    const paths: string[] = []
    for await (const chunk of contents.scan(prefixRange('w'))) {
      for (const [key] of chunk) paths.push(key.slice(1))
    }
    if (paths.length > 0) found.push([node, paths])
  }
  return found
}

/** How many tombstones are left on all disks. */
export async function tombstonesLeft(cluster: Cluster): Promise<number> {
  const states = await statesOf(cluster.nodes)
  const counts = states.map(
    ({ records }) => [...records.values()].filter(({ entry }) => entry.data === null).length,
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

/** What readers of two linked nodes do not see alike. */
export async function visibleDifference(cluster: Cluster): Promise<string | undefined> {
  const states = await statesOf(cluster.nodes)
  for (const edge of cluster.edges) {
    const { keys } = edge
    const [a, b] = [stateOf(states, edge.a), stateOf(states, edge.b)]
    for (const [path, held] of a.records) {
      if (!keys.some((key) => matches(key, path))) continue
      const [left, right] = [visible(held), visible(b.records.get(path))]
      if (printOf(left) === printOf(right)) continue
      return `${edge.a.name} shows ${say(left)} at ${path}, ${edge.b.name} ${say(right)}`
    }
  }
  return undefined
}

/** What is kept up to date in memory equals what is worked out anew from the disk. */
export async function checkDigests(cluster: Cluster): Promise<void> {
  const { world } = cluster
  for (const edge of cluster.edges) {
    for (const key of edge.keys) {
      for (const node of [edge.a, edge.b]) {
        let digest: Digest | undefined
        void node.store.digest(key).then((built) => (digest = built))
        await world.runUntil(() => digest !== undefined, 10_000)
        const anew = await digestAnew(node, key)
        if (digest?.root() === anew) continue
        world.fail('digests', `${node.name} has ${digest?.root()} for ${key}, it should be ${anew}`)
      }
    }
  }
}

async function digestAnew(node: Node, key: string): Promise<string> {
  const digest = new Digest(sha256)
  for (const { entry } of await records(node.disk.copy())) {
    if (matches(key, entry.path)) digest.add(entry)
  }
  return digest.root()
}

function stateOf(states: readonly State[], node: Node): State {
  return states.find((state) => state.node === node)!
}

function printOf(entry: Entry | undefined): string {
  return entry === undefined ? '' : fingerprint(entry, sha256)
}
