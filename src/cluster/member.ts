import { messageOf, skerryError } from '../core/errors.ts'
import { assertId, assertWeight } from './ring/ring.ts'

/** What the detector says about a member. */
export type MemberStatus = 'alive' | 'suspect' | 'dead'

/** Who joins: where to probe it and how much work it takes. */
export interface MemberInput {
  /** Any non-empty string, unique in the cluster. */
  id: string
  /** Host name or IP address, with or without `http://` or `https://`; without means http. */
  address: string
  /** 1 to 65,535. */
  port: number
  /** Path of the health check; default `/`. */
  path?: string
  /** Default none. */
  zone?: string
  /** Default none. */
  region?: string
  /** Share of the work in proportion to the others' weights; above 0, at most 1,000; default 1. */
  weight?: number
  /** Anything JSON can carry; kept and handed back. */
  meta?: unknown
}

/** A member as everybody in the cluster sees it. */
export interface Member extends Readonly<Required<MemberInput>> {
  readonly status: MemberStatus
  /** False while its health check answers 503: it lives, but takes no work. */
  readonly ready: boolean
  /** True while its work is being moved away. */
  readonly draining: boolean
  /** Misses in a row. */
  readonly failures: number
  /** Grows with each join and reset: what was learnt about an earlier one no longer counts. */
  readonly incarnation: number
}

/** May it own slots? */
export function takesWork(member: Member): boolean {
  return member.status !== 'dead' && member.ready && !member.draining
}

/** Of a member as it is shown; whoever joins with what it was shown has them, and they don't count. */
const SHOWN = ['status', 'ready', 'draining', 'failures', 'incarnation', 'slots']
const GIVEN = ['id', 'address', 'port', 'path', 'zone', 'region', 'weight', 'meta']

/**
 * A field that there is none of is a slip of the pen: it would be ignored for good.
 * @throws SKERRY_MEMBER_INVALID naming the field that is unknown
 */
export function assertFieldsKnown(input: unknown): asserts input is object {
  if (typeof input !== 'object' || input === null) {
    throw skerryError('MEMBER_INVALID', 'id', undefined, 'give an object with id, address and port')
  }
  for (const [field, value] of Object.entries(input)) {
    if (GIVEN.includes(field) || SHOWN.includes(field)) continue
    throw skerryError('MEMBER_INVALID', field, value, `there is ${GIVEN.join(', ')}`)
  }
}

/**
 * Fills in the defaults, checked.
 * @throws SKERRY_MEMBER_INVALID naming the field that is wrong
 */
export function newMember(input: MemberInput, incarnation: number): Member {
  const { id, address, port, path = '/', zone = '', region = '', weight = 1, meta = null } = input
  assertId(id)
  assertText('id', id)
  assertAddress(address)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw skerryError('MEMBER_INVALID', 'port', port, 'give a whole number from 1 to 65535')
  }
  assertWeight(weight)
  assertText('path', path)
  assertText('zone', zone)
  assertText('region', region)
  const fields = { id, address, port, path: rooted(path), zone, region, weight, meta: json(meta) }
  return { ...fields, status: 'alive', ready: true, draining: false, failures: 0, incarnation }
}

/** `http(s)://address:port/path`: where the member is probed. */
export function probeUrl({
  address,
  port,
  path,
}: Pick<Member, 'address' | 'port' | 'path'>): string {
  const [, scheme = 'http', host = address] = /^(https?):\/\/(.*)$/.exec(address) ?? []
  const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return `${scheme}://${bracketed}:${port}${path}`
}

/**
 * Reads a row of a registry, written by anyone.
 * @throws SKERRY_REGISTRY_ROW_INVALID
 */
export function parseMember(id: string, text: string): Member {
  try {
    const row = JSON.parse(text) as Member
    const { status, ready, draining, failures, incarnation } = row
    if (row.id !== id) throw skerryError('MEMBER_INVALID', 'id', row.id, 'the row has another id')
    const sound =
      ['alive', 'suspect', 'dead'].includes(status) &&
      typeof ready === 'boolean' &&
      typeof draining === 'boolean' &&
      Number.isSafeInteger(failures) &&
      Number.isSafeInteger(incarnation)
    if (!sound) throw skerryError('MEMBER_INVALID', 'status', status, 'a field is missing or wrong')
    return { ...newMember(row, incarnation), status, ready, draining, failures }
  } catch (error) {
    throw skerryError('REGISTRY_ROW_INVALID', id, messageOf(error))
  }
}

const ADDRESS = /^(https?:\/\/)?(\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+|[A-Za-z0-9._-]+)$/

function assertAddress(address: unknown): void {
  if (typeof address === 'string' && address.length <= TEXT_MAX && ADDRESS.test(address)) return
  const why = 'give a host name or an IP address, with http:// or https:// before it or nothing'
  throw skerryError('MEMBER_INVALID', 'address', address, why)
}

/** Ids, paths and zones travel with every beat. */
const TEXT_MAX = 1_024

function assertText(field: string, value: unknown): void {
  if (typeof value === 'string' && value.length <= TEXT_MAX && isWellFormed(value)) return
  const why = `give a well-formed string of at most ${TEXT_MAX} characters`
  throw skerryError('MEMBER_INVALID', field, value, why)
}

const META_MAX = 16_384

/** What of `meta` survives JSON, so that every process sees the same. */
function json(meta: unknown): unknown {
  try {
    const text = JSON.stringify(meta)
    if (text.length <= META_MAX) return JSON.parse(text)
  } catch {
    // A circle, a bigint or undefined: answered below like what is too long.
  }
  const why = `give what JSON can carry, at most ${META_MAX} characters`
  throw skerryError('MEMBER_INVALID', 'meta', typeof meta, why)
}

function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}

/** No half of a surrogate pair: such a string has no UTF-8 form of its own. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}
