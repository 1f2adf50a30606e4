import {
  entryTuple,
  pack,
  type Packable,
  readBytes,
  readCount,
  readEntry,
  readStamp,
  readText,
  readTuple,
  unpack,
} from '../core/codec.ts'
import type { Entry } from '../core/entry.ts'
import { skerryError } from '../core/errors.ts'
import type { Position } from '../store/store.ts'

/** The link protocol that this version speaks. Peers agree on the highest that both know. */
export const PROTOCOL = 1
/** The oldest link protocol that this version still speaks. */
export const OLDEST_PROTOCOL = 1

/** The first message each way: who speaks, and what it offers to share. */
export interface Hello {
  readonly kind: 'hello'
  readonly oldest: number
  readonly newest: number
  readonly nodeId: string
  readonly epoch: string
  readonly run: string
  readonly durable: boolean
  readonly keys: readonly string[]
  /** Wall time of the sender in nanoseconds, as corrected by its own leader or peers. */
  readonly clock: bigint
  /** Bytes of changes that the sender of the hello lets travel unacknowledged. */
  readonly window: number
  /** Epochs of the sender before this one that ended without any loss, newest first. */
  readonly formerly: readonly string[]
}

/** How far the sender has merged the receiver's feed, a position for each shared key, in order. */
export interface Resume {
  readonly kind: 'resume'
  readonly positions: readonly (Position | undefined)[]
}

/** Where the sender's stream starts, and for which shared keys it takes up where it left off. */
export interface Stream {
  readonly kind: 'stream'
  readonly start: number
  readonly resumed: readonly boolean[]
  /** For each shared key the highest stamp of a tombstone that the sender has collected. */
  readonly horizons: readonly bigint[]
  /** For each shared key whether the sender doubts what the receiver offers: it may undo deletes. */
  readonly doubted: readonly boolean[]
}

/** The sender's changes after `since` up to `upTo`, as far as the receiver shares and lacks them. */
export interface Changes {
  readonly kind: 'changes'
  readonly since: number
  readonly upTo: number
  readonly entries: readonly Entry[]
}

/** The sender has made the receiver's changes durable, up to here. */
export interface Ack {
  readonly kind: 'ack'
  readonly upTo: number
  /** The sender's own newest sequence number. */
  readonly seq: number
  /** Paths of the changes acknowledged whose versions the sender's readers don't see. */
  readonly aside: readonly string[]
}

/** Asks for a pong; tells the sender's wall clock. */
export interface Ping {
  readonly kind: 'ping'
  readonly clock: bigint
}

export interface Pong {
  readonly kind: 'pong'
  readonly clock: bigint
}

/** Digests of the children of some nodes of the tree of a shared key (of the root itself at level 0). */
export interface Compare {
  readonly kind: 'compare'
  readonly id: number
  /** Which shared key, by its place in the list. */
  readonly key: number
  readonly level: number
  /** True if tombstones are left out, as they go at their own time on each node. */
  readonly live: boolean
  readonly parents: readonly number[]
  readonly sums: Uint8Array
}

/** The answer to compare: the nodes that differ, each with how many entries the answerer has there. */
export interface Compared {
  readonly kind: 'compared'
  readonly id: number
  readonly differing: readonly (readonly [index: number, count: number])[]
}

/** What the sender has between two path hashes; see `repair.ts` for the items. */
export interface Items {
  readonly kind: 'items'
  readonly id: number
  readonly key: number
  readonly from: string
  readonly to: string
  readonly items: Uint8Array
}

/** The answer to items: versions the asker lacks, and path hashes of those the answerer lacks, up to `upTo`. */
export interface Entries {
  readonly kind: 'entries'
  readonly id: number
  readonly entries: readonly Entry[]
  readonly wanted: readonly string[]
  readonly upTo: string
  /** Places in `entries` of the sender's own writes that nobody has acknowledged. */
  readonly fresh: readonly number[]
}

/** Versions that the receiver lacks. */
export interface Push {
  readonly kind: 'push'
  readonly id: number
  readonly key: number
  readonly entries: readonly Entry[]
  /** Places in `entries` of the sender's own writes that nobody has acknowledged. */
  readonly fresh: readonly number[]
}

/** The answer to push: they are durable. */
export interface Pushed {
  readonly kind: 'pushed'
  readonly id: number
}

/** The shared key is repaired, both ways. */
export interface Repaired {
  readonly kind: 'repaired'
  readonly key: number
}

/**
 * The sender has taken over the receiver's horizons: whatever it merges from this sequence number on was
 * held against them.
 */
export interface Settled {
  readonly kind: 'settled'
  readonly key: number
  readonly seq: number
}

/** Nodes that an operator has said won't come back, each with when that was. */
export interface Forget {
  readonly kind: 'forget'
  readonly nodes: readonly (readonly [nodeId: string, since: bigint])[]
}

/** Why the sender ends the link. */
export interface Bye {
  readonly kind: 'bye'
  readonly code: string
  readonly message: string
}

export type Message =
  | Hello
  | Resume
  | Stream
  | Changes
  | Ack
  | Ping
  | Pong
  | Compare
  | Compared
  | Items
  | Entries
  | Push
  | Pushed
  | Repaired
  | Bye
  | Settled
  | Forget

type Kind = Message['kind']
type Of<K extends Kind> = Extract<Message, { kind: K }>

/** How one kind of message travels: as the fields of a tuple, read back with every field checked. */
interface Codec<K extends Kind> {
  readonly fields: (message: Of<K>) => Packable[]
  readonly read: (fields: unknown[]) => Omit<Of<K>, 'kind'>
}

/** A codec of whatever kind; the kind beside it in the list tells which. */
interface AnyCodec {
  readonly fields: (message: never) => Packable[]
  readonly read: (fields: unknown[]) => object
}

const hello: Codec<'hello'> = {
  fields: (m) => [
    m.oldest,
    m.newest,
    m.nodeId,
    m.epoch,
    m.run,
    m.durable,
    m.keys,
    m.clock,
    m.window,
    m.formerly,
  ],
  read: ([oldest, newest, nodeId, epoch, run, durable, keys, clock, window, formerly]) => ({
    oldest: readCount(oldest, 'oldest protocol'),
    newest: readCount(newest, 'newest protocol'),
    nodeId: readText(nodeId, 'node id'),
    epoch: readText(epoch, 'epoch'),
    run: readText(run, 'run'),
    durable: durable === true,
    keys: readTuple(keys, 'keys').map((key) => readText(key, 'key')),
    clock: readStamp(clock, 'clock'),
    window: readCount(window, 'window'),
    formerly: readTuple(formerly, 'former epochs').map((each) => readText(each, 'epoch')),
  }),
}

const resume: Codec<'resume'> = {
  fields: (m) => [m.positions.map((at) => (at ? [at.epoch, at.run, at.seq] : null))],
  read: ([positions]) => ({
    positions: readTuple(positions, 'positions').map((position) => {
      if (position === null) return undefined
      const [epoch, run, seq] = readTuple(position, 'position')
      return {
        epoch: readText(epoch, 'epoch'),
        run: readText(run, 'run'),
        seq: readCount(seq, 'sequence'),
      }
    }),
  }),
}

const stream: Codec<'stream'> = {
  fields: (m) => [m.start, m.resumed, m.horizons, m.doubted],
  read: ([start, resumed, horizons, doubted]) => ({
    start: readCount(start, 'start'),
    resumed: readTuple(resumed, 'resumed').map((flag) => flag === true),
    horizons: readTuple(horizons, 'horizons').map((stamp) => readStamp(stamp, 'horizon')),
    doubted: readTuple(doubted, 'doubted').map((flag) => flag === true),
  }),
}

const changes: Codec<'changes'> = {
  fields: (m) => [m.since, m.upTo, m.entries.map(entryTuple)],
  read: ([since, upTo, entries]) => ({
    since: readCount(since, 'since'),
    upTo: readCount(upTo, 'up to'),
    entries: readTuple(entries, 'entries').map(readEntry),
  }),
}

const ack: Codec<'ack'> = {
  fields: (m) => [m.upTo, m.seq, m.aside],
  read: ([upTo, seq, aside]) => ({
    upTo: readCount(upTo, 'up to'),
    seq: readCount(seq, 'sequence'),
    aside: readTuple(aside, 'aside').map((path) => readText(path, 'path')),
  }),
}

const clock = {
  fields: (m: Ping | Pong): Packable[] => [m.clock],
  read: ([at]: unknown[]) => ({ clock: readStamp(at, 'clock') }),
}

const compare: Codec<'compare'> = {
  fields: (m) => [m.id, m.key, m.level, m.live, m.parents, m.sums],
  read: ([id, key, level, live, parents, sums]) => ({
    id: readCount(id, 'id'),
    key: readCount(key, 'key'),
    level: readCount(level, 'level'),
    live: live === true,
    parents: readTuple(parents, 'parents').map((index) => readCount(index, 'index')),
    sums: readBytes(sums, 'sums'),
  }),
}

const compared: Codec<'compared'> = {
  fields: (m) => [m.id, m.differing.flat()],
  read: ([id, differing]) => {
    const numbers = readTuple(differing, 'differing').map((n) => readCount(n, 'node'))
    const pairs: [number, number][] = []
    for (let i = 0; i + 1 < numbers.length; i += 2) pairs.push([numbers[i]!, numbers[i + 1]!])
    return { id: readCount(id, 'id'), differing: pairs }
  },
}

const items: Codec<'items'> = {
  fields: (m) => [m.id, m.key, m.from, m.to, m.items],
  read: ([id, key, from, to, list]) => ({
    id: readCount(id, 'id'),
    key: readCount(key, 'key'),
    from: readText(from, 'from'),
    to: readText(to, 'to'),
    items: readBytes(list, 'items'),
  }),
}

const entries: Codec<'entries'> = {
  fields: (m) => [m.id, m.entries.map(entryTuple), m.wanted, m.upTo, m.fresh],
  read: ([id, list, wanted, upTo, fresh]) => ({
    id: readCount(id, 'id'),
    entries: readTuple(list, 'entries').map(readEntry),
    wanted: readTuple(wanted, 'wanted').map((hash) => readText(hash, 'hash')),
    upTo: readText(upTo, 'up to'),
    fresh: readPlaces(fresh),
  }),
}

const push: Codec<'push'> = {
  fields: (m) => [m.id, m.key, m.entries.map(entryTuple), m.fresh],
  read: ([id, key, list, fresh]) => ({
    id: readCount(id, 'id'),
    key: readCount(key, 'key'),
    entries: readTuple(list, 'entries').map(readEntry),
    fresh: readPlaces(fresh),
  }),
}

const pushed: Codec<'pushed'> = {
  fields: (m) => [m.id],
  read: ([id]) => ({ id: readCount(id, 'id') }),
}

const repaired: Codec<'repaired'> = {
  fields: (m) => [m.key],
  read: ([key]) => ({ key: readCount(key, 'key') }),
}

const settled: Codec<'settled'> = {
  fields: (m) => [m.key, m.seq],
  read: ([key, seq]) => ({ key: readCount(key, 'key'), seq: readCount(seq, 'sequence') }),
}

const forget: Codec<'forget'> = {
  fields: (m) => [m.nodes],
  read: ([nodes]) => ({
    nodes: readTuple(nodes, 'nodes').map((node) => {
      const [nodeId, since] = readTuple(node, 'node')
      return [readText(nodeId, 'node id'), readStamp(since, 'since')] as const
    }),
  }),
}

const bye: Codec<'bye'> = {
  fields: (m) => [m.code, m.message],
  read: ([code, message]) => ({
    code: readText(code, 'code'),
    message: readText(message, 'message'),
  }),
}

/** The place in this list is the number on the wire: add at the end, never reorder. */
const codecs: readonly (readonly [Kind, AnyCodec])[] = [
  ['hello', hello],
  ['resume', resume],
  ['stream', stream],
  ['changes', changes],
  ['ack', ack],
  ['ping', clock],
  ['pong', clock],
  ['compare', compare],
  ['compared', compared],
  ['items', items],
  ['entries', entries],
  ['push', push],
  ['pushed', pushed],
  ['repaired', repaired],
  ['bye', bye],
  ['settled', settled],
  ['forget', forget],
]

function readPlaces(places: unknown): number[] {
  return readTuple(places, 'places').map((place) => readCount(place, 'place'))
}

const numbers = new Map(codecs.map(([kind], number) => [kind, number]))

/** One frame: its number on this link, and the message. */
export function encodeFrame(frame: number, message: Message): Uint8Array {
  const number = numbers.get(message.kind)!
  return pack([frame, number, ...codecs[number]![1].fields(message as never)])
}

/** What the first frame of a sealed link begins with; the number is the version of the seal. */
export const SEAL_OFFER = 'skerry seal 1'

/** @throws SKERRY_CODEC_INVALID if it is not a frame of this protocol */
export function decodeFrame(bytes: Uint8Array): { frame: number; message: Message } {
  const [frame, number, ...fields] = readTuple(unpack(bytes), 'frame')
  if (frame === SEAL_OFFER) {
    throw skerryError('LINK_UNTRUSTED', 'it seals its frames, and this node has no cluster secret')
  }
  const codec = codecs[readCount(number, 'kind')]
  if (codec === undefined)
    throw skerryError('CODEC_INVALID', `no message has kind ${String(number)}`)
  const message = { kind: codec[0], ...codec[1].read(fields) } as Message
  return { frame: readCount(frame, 'frame number'), message }
}
