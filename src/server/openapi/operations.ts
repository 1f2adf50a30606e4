import { ORIGINATOR_HEADER } from '../../sync/pivot/http.ts'
import { listOf, ref, type Schema } from './schemas.ts'

/** The schema of JSON, or the name of another content type, which is text or bytes. */
export type Answer = Schema | string

/** What one route does. */
export interface Operation {
  readonly summary: string
  /** What it answers by status, beside errors; null is an answer without a body. */
  readonly answers: Readonly<Record<number, Answer | null | readonly (Answer | null)[]>>
  /** Statuses of errors besides those that every route has. */
  readonly errors?: readonly number[]
  /** Parameters of the query. */
  readonly query?: readonly string[]
  /** Headers that it looks at. */
  readonly headers?: readonly string[]
  /** Content types of the body. */
  readonly body?: readonly string[]
}

const JSON_BODY = ['application/json']
const NDJSON = 'application/x-ndjson'
const COMMIT = ['commit', 'timeoutMs']
const CONDITIONS = ['If-Match', 'If-None-Match']

const state: Record<string, Operation> = {
  'GET /*': {
    summary: 'Reads an entry, or lists all that a glob matches, newest created first.',
    answers: { 200: { anyOf: [ref('Entry'), listOf(ref('Entry'))] }, 304: null },
    errors: [404],
    query: ['limit', 'from', 'to', 'order'],
    headers: ['If-None-Match'],
  },
  'POST /*': {
    summary: 'Creates or overwrites an entry, or pushes a new one to a glob.',
    answers: { 200: ref('Index'), 202: ref('Short') },
    errors: [408, 412, 413, 415],
    query: COMMIT,
    headers: CONDITIONS,
    body: JSON_BODY,
  },
  'PATCH /*': {
    summary: 'Changes part of an entry.',
    answers: { 200: ref('Index'), 202: ref('Short') },
    errors: [404, 408, 409, 412, 413, 415, 422],
    query: COMMIT,
    headers: CONDITIONS,
    body: [...JSON_BODY, 'application/json-patch+json', 'application/merge-patch+json'],
  },
  'DELETE /*': {
    summary: 'Deletes an entry, or all that a glob matches.',
    answers: { 202: ref('Short'), 204: null },
    errors: [404, 412],
    query: COMMIT,
    headers: ['If-Match'],
  },
  'POST /_skerry/batch': {
    summary: 'Several writes, all or none.',
    answers: { 200: listOf(ref('BatchResult')), 202: ref('ShortBatch') },
    errors: [404, 408, 409, 412, 413, 415, 422],
    query: COMMIT,
    body: JSON_BODY,
  },
  'GET /_skerry/history/*': {
    summary: 'What a path holds and what it held before, newest first.',
    answers: { 200: ref('History') },
    errors: [501],
    query: ['limit', 'before'],
  },
  'POST /_skerry/history/*': {
    summary: 'Writes the data of an earlier version again.',
    answers: { 200: ref('Index'), 202: ref('Short') },
    errors: [404, 408, 409, 412, 413, 415, 501],
    query: COMMIT,
    headers: CONDITIONS,
    body: JSON_BODY,
  },
  'DELETE /_skerry/history/*': {
    summary: 'Lets go of what is kept of the past of a path, or of all that a glob matches.',
    answers: { 200: ref('Cleared') },
    errors: [501],
  },
  'GET /': {
    summary: 'The dashboard; with `api`, or for who asks for JSON, what it keeps and does.',
    answers: {
      200: [
        {
          anyOf: [
            ref('Keys'),
            ref('AllKeys'),
            ref('Info'),
            ref('Watched'),
            ref('Sync'),
            ref('Filters'),
          ],
        },
        'text/html',
      ],
    },
    query: ['api', 'page', 'limit', 'filter'],
  },
  'GET /_skerry/dashboard/:file': {
    summary: 'A part of the dashboard.',
    answers: { 200: ['text/javascript', 'text/css', 'image/svg+xml'], 304: null },
    errors: [404],
    headers: ['If-None-Match'],
  },
}

const node: Record<string, Operation> = {
  'GET /healthz': { summary: 'Lives?', answers: { 200: ref('Health') } },
  'GET /readyz': { summary: 'Serves?', answers: { 200: ref('Health') } },
  'GET /metrics': { summary: 'Numbers for Prometheus.', answers: { 200: 'text/plain' } },
  'GET /openapi.json': { summary: 'This document.', answers: { 200: ref('Any') } },
  'GET /_skerry/status': { summary: 'How the node is.', answers: { 200: ref('Status') } },
}

const tombstones: Record<string, Operation> = {
  'POST /_skerry/forget': {
    summary: "Says that a node won't come back.",
    answers: { 200: ref('Any') },
    errors: [404, 408, 409, 413, 415],
    body: JSON_BODY,
  },
  'GET /_skerry/withheld': {
    summary: 'Versions that may undo a delete, at most 1,000.',
    answers: { 200: ref('Withheld') },
  },
  'POST /_skerry/withheld': {
    summary: 'Takes such versions in, or deletes them.',
    answers: { 200: ref('Decided') },
    errors: [408, 413, 415],
    body: JSON_BODY,
  },
}

const transfer: Record<string, Operation> = {
  'GET /_skerry/export': {
    summary: 'What readers see, a line each.',
    answers: { 200: NDJSON },
    query: ['key'],
  },
  'GET /_skerry/backup': {
    summary: 'The store as a whole.',
    answers: { 200: 'application/octet-stream' },
    errors: [409, 501],
    query: ['data'],
  },
  'POST /_skerry/import': {
    summary: 'Merges exported lines, all or none.',
    answers: { 200: ref('Any') },
    errors: [408, 413, 415],
    query: ['key'],
    body: [NDJSON],
  },
}

/** Go nodes heed the status only; what they are told beside it is text. */
const PIVOT_PULL: Operation = {
  summary: 'Has a node fetch from its leader.',
  answers: { 200: null, 400: 'text/plain' },
}

const pivot: Record<string, Operation> = {
  'GET /_pivot/version': { summary: 'What it speaks.', answers: { 200: ref('PivotVersion') } },
  'GET /_pivot/pivot': { ...PIVOT_PULL, query: ['key'] },
  'GET /_pivot/synchronize/pivot': { ...PIVOT_PULL, query: ['key'] },
  'GET /_pivot/synchronize/node': PIVOT_PULL,
  'GET /_pivot/health/nodes': { summary: 'Nodes of this leader.', answers: { 200: listOf({}) } },
  'GET /_pivot/activity/*': {
    summary: 'When a key changed last.',
    answers: { 200: ref('PivotActivity') },
    errors: [422],
  },
  'GET /_pivot/pivot/*': {
    summary: 'The entries of a key, what is new of them, or one of them.',
    answers: {
      200: { anyOf: [ref('Entry'), listOf(ref('Entry')), ref('PivotNews')] },
      500: 'text/plain',
    },
    query: ['since'],
    errors: [422],
  },
  'POST /_pivot/pivot/*': {
    summary: 'A write of a node or leader, under its own times.',
    answers: { 200: [{ anyOf: [ref('PivotDeleted'), ref('PivotHidden')] }, null] },
    errors: [408, 413, 415, 422],
    headers: [ORIGINATOR_HEADER],
    body: JSON_BODY,
  },
  'DELETE /_pivot/pivot/*': {
    summary: 'A delete of a node or leader; its time is the last segment.',
    answers: { 200: null },
    errors: [422],
    headers: [ORIGINATOR_HEADER],
  },
}

const operator: Record<string, Operation> = {
  'GET /_skerry/pivot/removed': {
    summary: 'What was removed because a leader no longer listed it.',
    answers: { 200: listOf(ref('Removed')) },
    query: ['path'],
  },
  'POST /_skerry/pivot/restore': {
    summary: 'Brings one of these back.',
    answers: { 200: ref('Entry') },
    errors: [404, 408, 409, 413, 415],
    query: ['path'],
  },
  'POST /_skerry/pivot/retry': {
    summary: 'Tries once more what leaders refused.',
    answers: { 204: null },
    errors: [408, 413, 415],
  },
}

/** A route of the cluster that takes JSON. */
function act(summary: string): Operation {
  return {
    summary,
    answers: { 200: ref('Any') },
    errors: [404, 409, 413, 415, 504],
    body: JSON_BODY,
  }
}

function look(summary: string, ...query: string[]): Operation {
  return { summary, answers: { 200: ref('Any') }, errors: [404], query }
}

const cluster: Record<string, Operation> = {
  'GET /_skerry/cluster': look('How the cluster is.'),
  'GET /_skerry/cluster/members': look('Its members.'),
  'GET /_skerry/cluster/owner': look('Who owns a key.', 'key', 'n'),
  'GET /_skerry/cluster/health': look('How a member is.', 'id'),
  'GET /_skerry/cluster/keys': look('Which keys a member has.', 'id'),
  'GET /_skerry/cluster/events': {
    summary: 'What happens, a line each.',
    answers: { 200: NDJSON },
  },
  'POST /_skerry/cluster/join': act('Adds a member.'),
  'POST /_skerry/cluster/leave': act('Removes a member.'),
  'POST /_skerry/cluster/drain': act('Takes the work off a member.'),
  'POST /_skerry/cluster/reset': act('Forgets the failures of a member.'),
  'POST /_skerry/cluster/ping': act('Asks a member whether it lives.'),
  'POST /_skerry/cluster/distribute': act('Adds keys to deal out.'),
  'POST /_skerry/cluster/release': act('Removes keys.'),
  'POST /_skerry/cluster/registry': act('One verb of the registry, for other nodes.'),
  'GET /_skerry/cluster/registry/notices': {
    summary: 'Notices of the registry, for other nodes.',
    answers: { 200: NDJSON },
  },
}

const events: Record<string, Operation> = {
  'POST /_skerry/events': {
    summary: 'Stores an event.',
    answers: { 201: ref('Any') },
    errors: [409, 413, 502, 504],
    query: ['level', 'key'],
    body: JSON_BODY,
  },
  'GET /_skerry/events': {
    summary: 'Events in order.',
    answers: { 200: NDJSON },
    query: ['from', 'to'],
  },
  'GET /_skerry/events/:key': look('One event.'),
  'GET /_skerry/events/tail': {
    summary: 'Events as they come.',
    answers: { 200: NDJSON },
    query: ['from'],
  },
  'GET /_skerry/events/intervals': look('The intervals of the log.'),
  'GET /_skerry/events/status': look('How the coordinator is.'),
  'GET /_skerry/events/under-replicated': {
    summary: 'Events that lack replicas.',
    answers: { 200: NDJSON },
  },
  'POST /_skerry/events/repair': {
    ...act(
      'A sweep, and what it found; with progress=1 how far it is, a line each, and then that.',
    ),
    answers: { 200: [ref('Any'), NDJSON] },
    query: ['from', 'to', 'progress'],
  },
  'POST /_skerry/events/replicas': act('Takes replicas of other nodes.'),
  'GET /_skerry/events/replicas': look(
    'Replicas, a page of them.',
    'from',
    'below',
    'limit',
    'digests',
  ),
  'GET /_skerry/events/replicas/:key': look('One replica.'),
}

/** Every route, by method and pattern. */
export const operations: Readonly<Record<string, Operation>> = {
  ...state,
  ...node,
  ...tombstones,
  ...transfer,
  ...pivot,
  ...operator,
  ...cluster,
  ...events,
}
