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
import { skerryError } from '../core/errors.ts'
import type { Position } from '../store/store.ts'
import type { Message } from './messages.ts'

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
  fields: (m) => [m.positions.map(positionTuple), positionTuple(m.seen)],
  read: ([positions, seen]) => ({
    positions: readTuple(positions, 'positions').map(readPosition),
    seen: readPosition(seen ?? null),
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
  fields: (m) => [m.since, m.upTo, m.entries.map(entryTuple), ...(m.heard ? [m.heard] : [])],
  read: ([since, upTo, entries, heard]) => ({
    since: readCount(since, 'since'),
    upTo: readCount(upTo, 'up to'),
    entries: readTuple(entries, 'entries').map(readEntry),
    ...(heard !== undefined && {
      heard: readTuple(heard, 'heard').map((place) => readCount(place, 'place')),
    }),
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

const ping: Codec<'ping'> = {
  fields: (m) => [m.clock],
  read: ([clock]) => ({ clock: readStamp(clock, 'clock') }),
}

const pong: Codec<'pong'> = {
  fields: (m) => [m.clock, m.time ?? null],
  read: ([clock, time]) => ({
    clock: readStamp(clock, 'clock'),
    // Older nodes don't send it.
    time: time === undefined || time === null ? undefined : readStamp(time, 'time'),
  }),
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
  fields: (m) => [m.id, m.entries.map(entryTuple), m.wanted, m.upTo, m.fresh, m.seq ?? null],
  read: ([id, list, wanted, upTo, fresh, seq]) => ({
    id: readCount(id, 'id'),
    entries: readTuple(list, 'entries').map(readEntry),
    wanted: readTuple(wanted, 'wanted').map((hash) => readText(hash, 'hash')),
    upTo: readText(upTo, 'up to'),
    fresh: readPlaces(fresh),
    seq: readOptionalCount(seq),
  }),
}

const push: Codec<'push'> = {
  fields: (m) => [m.id, m.key, m.entries.map(entryTuple), m.fresh, m.seq ?? null],
  read: ([id, key, list, fresh, seq]) => ({
    id: readCount(id, 'id'),
    key: readCount(key, 'key'),
    entries: readTuple(list, 'entries').map(readEntry),
    fresh: readPlaces(fresh),
    seq: readOptionalCount(seq),
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
  fields: (m) => [m.key, m.seq, m.stamp ?? null],
  read: ([key, seq, stamp]) => ({
    key: readCount(key, 'key'),
    seq: readCount(seq, 'sequence'),
    // Older nodes don't send it.
    stamp: stamp === undefined || stamp === null ? undefined : readStamp(stamp, 'horizon'),
  }),
}

const horizon: Codec<'horizon'> = {
  fields: (m) => [m.key, m.stamp],
  read: ([key, stamp]) => ({ key: readCount(key, 'key'), stamp: readStamp(stamp, 'horizon') }),
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
  ['ping', ping],
  ['pong', pong],
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
  ['horizon', horizon],
]

/** A sequence number that older nodes don't send. */
function readOptionalCount(seq: unknown): number | undefined {
  return seq === undefined || seq === null ? undefined : readCount(seq, 'sequence')
}

function positionTuple(at: Position | undefined): Packable {
  return at === undefined ? null : [at.epoch, at.run, at.seq]
}

function readPosition(position: unknown): Position | undefined {
  if (position === null) return undefined
  const [epoch, run, seq] = readTuple(position, 'position')
  return {
    epoch: readText(epoch, 'epoch'),
    run: readText(run, 'run'),
    seq: readCount(seq, 'sequence'),
  }
}

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
