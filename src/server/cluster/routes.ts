import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ClusterEvent } from '../../cluster/event.ts'
import type { Member, MemberInput } from '../../cluster/member.ts'
import { messageOf, skerryError } from '../../core/errors.ts'
import type { LiveStream, Streams } from '../events/streams.ts'
import type { Membership } from './membership.ts'
import { registryRoutes } from './registry.ts'

type Query = Readonly<Record<string, string | undefined>>

/** Distinct owners of one key that can be asked for. */
const NODES_MAX = 1_000
/** Keys of one request: `distribute` and `release`. */
const KEYS_BODY_LIMIT_BYTES = 32 * 1024 * 1024

/**
 * The cluster of a node over HTTP, as a Fastify plugin; `docs/cluster.md` lists the routes. What is
 * asked of one node is answered for the whole cluster.
 */
export function clusterRoutes(membership: Membership, streams: Streams) {
  return async function cluster(app: FastifyInstance): Promise<void> {
    // Whatever the content type says: the body is JSON.
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
      try {
        done(null, body === '' ? undefined : JSON.parse(body as string))
      } catch (error) {
        done(skerryError('JSON_INVALID', messageOf(error)))
      }
    })
    memberRoutes(app, membership)
    lookRoutes(app, membership)
    keyRoutes(app, membership)
    app.get('/_skerry/cluster/events', async (_request, reply) => {
      tellEvents(membership, reply, streams)
    })
    registryRoutes(app, membership, streams)
  }
}

/** What changes the members. */
function memberRoutes(app: FastifyInstance, membership: Membership): void {
  app.post<{ Body: unknown }>('/_skerry/cluster/join', async ({ body }): Promise<Member> => {
    if (body === undefined) return membership.rejoin()
    return membership.cluster.join(fieldsOf(body) as unknown as MemberInput)
  })
  const verbs = {
    leave: (id: string) => membership.cluster.leave(id),
    drain: (id: string) => membership.cluster.drain(id),
    reset: (id: string) => membership.cluster.resetNodeFailures(id),
  }
  for (const [verb, act] of Object.entries(verbs)) {
    app.post<{ Body: unknown }>(`/_skerry/cluster/${verb}`, async ({ body }) => {
      const id = textOf(fieldsOf(body ?? {})['id'] ?? membership.cluster.options.id, 'id')
      await act(id)
      return { id }
    })
  }
}

/** What only looks. */
function lookRoutes(app: FastifyInstance, membership: Membership): void {
  app.get('/_skerry/cluster', async () => membership.status())
  app.get('/_skerry/cluster/members', async () => membership.cluster.status().members)
  app.get<{ Querystring: Query }>('/_skerry/cluster/owner', async ({ query }) => {
    const { cluster } = membership
    const key = textOf(query['key'], 'key')
    const count = countOf(query['n'] ?? '1')
    return { key, node: cluster.getKeyNode(key) ?? null, nodes: cluster.getKeyNodes(key, count) }
  })
  app.get<{ Querystring: Query }>('/_skerry/cluster/health', async ({ query }) => {
    const id = textOf(query['id'], 'id')
    return { id, ...membership.cluster.getNodeHealth(id) }
  })
  app.post<{ Body: unknown }>('/_skerry/cluster/ping', async ({ body }) => {
    const id = textOf(fieldsOf(body)['id'], 'id')
    return { id, ...(await membership.cluster.pingNode(id)) }
  })
}

/** The work that is dealt out. */
function keyRoutes(app: FastifyInstance, membership: Membership): void {
  const options = { bodyLimit: KEYS_BODY_LIMIT_BYTES }
  app.get<{ Querystring: Query }>('/_skerry/cluster/keys', async ({ query }) => {
    const id = textOf(query['id'], 'id')
    return { id, keys: await membership.cluster.getNodeKeys(id) }
  })
  app.post<{ Body: unknown }>('/_skerry/cluster/distribute', options, async ({ body }) => {
    return { added: await membership.cluster.distribute(keysOf(body)) }
  })
  app.post<{ Body: unknown }>('/_skerry/cluster/release', options, async ({ body }) => {
    return { removed: await membership.cluster.release(keysOf(body)) }
  })
}

/** All events from now on, a line each. */
function tellEvents(membership: Membership, reply: FastifyReply, streams: Streams): void {
  const events = membership.cluster.events()
  const stream = streams.begin(reply, () => void events.return?.())
  void pump(events, stream)
}

async function pump(events: AsyncIterable<ClusterEvent>, stream: LiveStream): Promise<void> {
  try {
    for await (const event of events) {
      stream.send(eventJson(event))
      await stream.drained()
    }
  } catch (error) {
    // More than can be kept waited for this reader: it has to begin anew.
    stream.send(JSON.stringify({ type: 'error', nodeId: '', error: messageOf(error) }))
  } finally {
    stream.end()
  }
}

function eventJson(event: ClusterEvent): string {
  return JSON.stringify(event.type === 'error' ? { ...event, error: event.error.message } : event)
}

function fieldsOf(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
    return body as Record<string, unknown>
  }
  throw skerryError('REQUEST_INVALID', 'a JSON object is expected')
}

function textOf(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '') return value
  throw skerryError('REQUEST_INVALID', `'${name}' is missing, a text is expected`)
}

function keysOf(body: unknown): readonly string[] {
  const { keys } = fieldsOf(body)
  if (Array.isArray(keys)) return keys as string[]
  throw skerryError('REQUEST_INVALID', "'keys' is missing, a list of texts is expected")
}

function countOf(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= NODES_MAX) return count
  throw skerryError('REQUEST_INVALID', `'n' must be a whole number from 1 to ${NODES_MAX}`)
}
