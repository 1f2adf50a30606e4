import { skerryError } from '../core/errors.ts'
import { parseMember } from './member.ts'
import type { Member } from './member.ts'
import type {
  Leadership,
  Notice,
  Proposal,
  Registry,
  Right,
  Session,
  Snapshot,
} from './registry.ts'
import { formatTable, parseTable } from './table.ts'
import type { SlotMove } from './table.ts'

/**
 * How the verbs of a registry travel between nodes: `[verb, ...arguments]` as JSON, answered by
 * `[result]`. Maps travel as arrays of pairs, tables in the compact form that registries store, an
 * undefined result as `[]`.
 */
export type RegistryVerb = Exclude<keyof Registry, 'close' | 'subscribe'>

/** What travels is JSON, written by anyone. */
type Json = unknown
type Performer = (registry: Registry, given: readonly Json[]) => Promise<Json>

/** Of one request: more slots than a table can have make no sense. */
const LIST_MAX = 1_000_000

const performers: Readonly<Record<RegistryVerb, Performer>> = {
  open: (registry, [slots]) => registry.open(count(slots)),
  head: (registry) => registry.head(),
  read: async (registry) => snapshotJson(await registry.read()),
  changesAfter: (registry, [run, version]) => registry.changesAfter(text(run), count(version)),
  commit: (registry, [proposal]) => registry.commit(readProposal(proposal)),
  restore: (registry, [snapshot]) => registry.restore(readSnapshot(snapshot)),
  addKeys: (registry, [keys]) => registry.addKeys(readKeys(keys)),
  removeKeys: (registry, [keys]) => registry.removeKeys(readKeys(keys)),
  keysIn: async (registry, [slots]) => [...(await registry.keysIn(list(slots, count)))],
  campaign: (registry, [monitor, seen]) => registry.campaign(text(monitor), readLeadership(seen)),
  lead: (registry, [term]) => registry.lead(count(term)),
  resign: (registry, [term]) => registry.resign(count(term)),
  endRecovery: (registry, [term, run]) => registry.endRecovery(count(term), text(run)),
  openSession: (registry, [session, worker]) => registry.openSession(text(session), text(worker)),
  beatSession: (registry, [session]) => registry.beatSession(text(session)),
  sessions: (registry) => registry.sessions(),
  fence: (registry, [term, session]) => registry.fence(count(term), readSession(session)),
  closeSession: (registry, [session]) => registry.closeSession(text(session)),
  claim: (registry, [session, version, slots]) =>
    registry.claim(text(session), count(version), list(slots, count)),
  release: (registry, [session, version, slots]) =>
    registry.release(text(session), count(version), list(slots, count)),
  reassert: (registry, [session, rights]) => {
    const { session: name, worker } = fields(session)
    return registry.reassert({ session: text(name), worker: text(worker) }, list(rights, readRight))
  },
  rights: async (registry) => [...(await registry.rights())],
  publish: (registry, [notice]) => registry.publish(readNotice(notice)),
}

/**
 * Carries out a verb that came from another node.
 * @returns what to answer
 * @throws SKERRY_REQUEST_INVALID if it is no verb of a registry, or one with wrong arguments
 */
export async function perform(registry: Registry, request: Json): Promise<Json[]> {
  const [verb, ...given] = list(request, (part) => part)
  if (typeof verb !== 'string' || !Object.hasOwn(performers, verb)) {
    throw wrong(`'${String(verb)}' is no verb of a registry`)
  }
  const result = await performers[verb as RegistryVerb](registry, given)
  return result === undefined ? [] : [result]
}

/** The parts of a proposal as they travel. */
export function proposalJson({ owners, ...rest }: Proposal): Json {
  return { ...rest, owners: formatTable(owners), slots: owners.length }
}

/** The parts of a snapshot as they travel. */
export function snapshotJson({ owners, faults, ...rest }: Snapshot): Json {
  const table = { owners: formatTable(owners), slots: owners.length }
  return { ...rest, ...table, faults: faults.map(({ message }) => message) }
}

/** @throws SKERRY_REQUEST_INVALID */
export function readSnapshot(value: Json): Snapshot {
  const { run, version, members, owners, slots, faults } = fields(value)
  return {
    run: text(run),
    version: count(version),
    members: list(members, readMember),
    owners: readTable(owners, slots),
    faults: list(faults, (fault) => new Error(text(fault))),
  }
}

/** @throws SKERRY_REQUEST_INVALID */
export function readKeys(value: Json): Map<number, readonly string[]> {
  return new Map(
    list(value, (pair) => {
      const [slot, names] = list(pair, (part) => part)
      return [count(slot), list(names, text)]
    }),
  )
}

/** @throws SKERRY_REQUEST_INVALID */
export function readNotice(value: Json): Notice {
  const { type, id, incarnation } = fields(value)
  if (type === 'changed') return { type }
  if (type === 'ask' || type === 'vouch') {
    return { type, id: text(id), incarnation: count(incarnation) }
  }
  throw wrong('a notice is expected')
}

function readProposal(value: Json): Proposal {
  const { base, term, members, left, moves, owners, slots } = fields(value)
  return {
    base: count(base),
    members: list(members, readMember),
    left: list(left, text),
    moves: list(moves, readMove),
    owners: readTable(owners, slots),
    ...(term === undefined ? {} : { term: count(term) }),
  }
}

function readMember(value: Json): Member {
  return parseMember(text(fields(value)['id']), JSON.stringify(value))
}

function readMove(value: Json): SlotMove {
  const { from, to, slots } = fields(value)
  return { from: text(from), to: text(to), slots: list(slots, count) }
}

function readTable(owners: Json, slots: Json): string[] {
  const size = count(slots)
  if (size > LIST_MAX) throw wrong(`${size} slots are too many`)
  try {
    return parseTable(text(owners), size)
  } catch {
    throw wrong('a table is expected')
  }
}

function readLeadership(value: Json): Leadership {
  const { monitor, term, beat } = fields(value)
  return { monitor: text(monitor), term: count(term), beat: count(beat) }
}

function readSession(value: Json): Session {
  const { session, worker, beat } = fields(value)
  return { session: text(session), worker: text(worker), beat: count(beat) }
}

function readRight(value: Json): Right {
  const { slot, epoch } = fields(value)
  return { slot: count(slot), epoch: count(epoch) }
}

function fields(value: Json): Readonly<Record<string, Json>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, Json>
  }
  throw wrong('an object is expected')
}

function list<T>(value: Json, each: (part: Json) => T): T[] {
  if (!Array.isArray(value) || value.length > LIST_MAX) throw wrong('an array is expected')
  return value.map((part) => each(part))
}

function text(value: Json): string {
  if (typeof value === 'string') return value
  throw wrong('a text is expected')
}

function count(value: Json): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw wrong('a whole number is expected')
}

function wrong(why: string) {
  return skerryError('REQUEST_INVALID', why)
}
