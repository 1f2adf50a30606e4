import { type Entry, entryJson } from '../../core/entry.ts'
import { SkerryError, skerryError } from '../../core/errors.ts'
import { jsonElements, jsonMembers, parseInt64 } from '../../core/json.ts'
import { isGlob, lastSegment } from '../../core/path.ts'
import type { CommitOptions } from '../../state/commitment.ts'
import type { ClientWrite, DeliveryResult } from '../../state/delivery.ts'
import type { State } from '../../state/state.ts'
import { reached } from '../../state/writer.ts'
import type { WriteResult } from '../../state/writing.ts'
import { assertMay, type Principal, type Verb } from '../access/access.ts'
import { turnEnd } from '../turn.ts'
import type { TurnOrder } from './order.ts'

/** The most writes that one delivery may have. */
const MAX_DELIVERED = 100

const OPERATIONS = [
  ...(['ping', 'watch', 'unwatch', 'get', 'list', 'set', 'push', 'patch', 'delete'] as const),
  'deliver',
] as const

/** What a client asks for on its socket. */
export interface LiveRequest {
  /** The client's number for it. */
  readonly id: number
  readonly op: (typeof OPERATIONS)[number]
  readonly path: string
  /** JSON text, as it came; empty if there was none. */
  readonly data: string
  /** For `watch`: the version that the client has. */
  readonly version: string | undefined
  /** For `deliver`: who wrote. */
  readonly client: string
  /** For writes: on how many nodes they are to be, and how long to wait for that. */
  readonly commit: CommitOptions
}

/**
 * Reads a request. Data stays text: it is never parsed and printed again.
 * @throws SKERRY_LIVE_MESSAGE_INVALID, SKERRY_JSON_INVALID
 */
export function parseRequest(text: string): LiveRequest {
  const members = jsonMembers(text)
  const member = (name: string): unknown => JSON.parse(members.get(name) ?? '""') as unknown
  const id = member('id')
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0)
    invalid('a whole id is missing')
  const op = OPERATIONS.find((name) => name === member('op'))
  if (op === undefined) invalid('its op is unknown')
  const [path, version, client] = ['path', 'version', 'client'].map(member)
  if (typeof path !== 'string' || typeof version !== 'string' || typeof client !== 'string') {
    return invalid('path, version and client are texts')
  }
  const data = members.get('data') ?? ''
  const commit = commitIn(members)
  return { id, op, path, data, version: version === '' ? undefined : version, client, commit }
}

/** What it asks of other nodes; the values are checked where the write is done. */
function commitIn(members: ReadonlyMap<string, string>): CommitOptions {
  const [level, timeoutMs] = [members.get('commit'), members.get('timeoutMs')]
  return {
    ...(level !== undefined && {
      commit: JSON.parse(level) as NonNullable<CommitOptions['commit']>,
    }),
    ...(timeoutMs !== undefined && { commitTimeoutMs: JSON.parse(timeoutMs) as number }),
  }
}

function invalid(why: string): never {
  throw skerryError('LIVE_MESSAGE_INVALID', why)
}

/** What requests are performed on, for whom, and in which order. */
export interface Performer {
  readonly state: State
  readonly principal: Principal
  readonly order: TurnOrder
}

/** Does what a request for reading or writing asks for; resolves to the answer as JSON text. */
export async function perform(request: LiveRequest, performer: Performer): Promise<string> {
  const { op, path, data } = request
  const { state, principal, order } = performer
  if (op === 'deliver') return deliver(request, performer)
  assertMay(principal, verbOf(op), path)
  switch (op) {
    case 'get': {
      const entry = await state.get(path)
      return entry === undefined ? 'null' : entryJson(entry)
    }
    case 'list':
      return `[${(await state.list(path)).map(entryJson).join(',')}]`
    case 'delete': {
      const remove = () => turnEnd().then(() => state.perform({ op, path }, request.commit))
      const done = isGlob(path) ? order.runAlone(remove) : order.run(path, remove)
      // Other nodes are waited for out of its turn, so that it keeps none behind it waiting.
      return `${((await reached(await done)) as { deleted: number }).deleted}`
    }
    case 'push':
    case 'patch':
    case 'set': {
      const asked = { op, path, data, ...(op === 'patch' && { form: 'merge-patch' as const }) }
      const write = () => turnEnd().then(() => state.perform(asked, request.commit))
      return written(await reached(await order.run(path, write)))
    }
    default:
      return invalid('its op is unknown')
  }
}

function verbOf(op: string): Verb {
  if (op === 'get' || op === 'list') return 'read'
  return op === 'delete' ? 'delete' : 'write'
}

function written(result: WriteResult): string {
  const { path } = (result as { entry: Entry }).entry
  return `{"path":"${path}","index":"${lastSegment(path)}"}`
}

/** Takes in what a client wrote by its own clock; the answer has an element for each write. */
async function deliver({ data, client }: LiveRequest, performer: Performer): Promise<string> {
  const { state, principal, order } = performer
  const writes = jsonElements(data).map(parseWrite)
  if (writes.length > MAX_DELIVERED) invalid(`a delivery has at most ${MAX_DELIVERED} writes`)
  const refusals = writes.map((write) => refusalOf(principal, write))
  const allowed = writes.filter((_write, at) => refusals[at] === undefined)
  const take = () => turnEnd().then(() => state.deliver(client, allowed))
  const delivered = await order.runAlone(take)
  const results = refusals.map((refusal) => resultJson(refusal ?? delivered.shift()!))
  return `[${results.join(',')}]`
}

function parseWrite(text: string): ClientWrite {
  const members = jsonMembers(text)
  const kind: unknown = JSON.parse(members.get('kind') ?? 'null')
  const path: unknown = JSON.parse(members.get('path') ?? 'null')
  if (kind !== 'set' && kind !== 'patch' && kind !== 'delete') return invalid('its kind is unknown')
  if (typeof path !== 'string') return invalid('a write has a path')
  return {
    kind,
    path,
    data: members.get('data') ?? '',
    stamp: parseInt64(members.get('stamp') ?? ''),
  }
}

function refusalOf(principal: Principal, { kind, path }: ClientWrite): SkerryError | undefined {
  try {
    assertMay(principal, kind === 'delete' ? 'delete' : 'write', path)
    return undefined
  } catch (error) {
    if (error instanceof SkerryError) return error
    throw error
  }
}

function resultJson(result: DeliveryResult): string {
  if (!(result instanceof SkerryError)) return `{"outcome":"${result}"}`
  const { code, status, message } = result
  return JSON.stringify({ error: { code, status, message } })
}
