import { type Cluster, type Member, type MemberInput, createCluster } from '../../cluster.ts'
import { skerryError } from '../../index.ts'
import { answerLines, Remote, type RemoteFlags, withQuery } from '../remote.ts'

/** A member with its share of the slots. */
export type MemberRow = Member & { readonly slots: number }

/** Whose work a key is: its owner, if any, and other nodes for it. */
export interface Ownership {
  readonly key: string
  readonly node: string | null
  readonly nodes: readonly string[]
}

/** A member as the command line gives it. */
type Joining = { [Field in keyof MemberInput]: MemberInput[Field] | undefined }

/** A cluster as the commands see it, whoever answers for it. */
export interface ClusterControl {
  members(): Promise<readonly MemberRow[]>
  /** @param member undefined: the node asked, again */
  join(member?: Joining): Promise<{ readonly id: string }>
  /** @returns who left */
  leave(id: string | undefined): Promise<string>
  /** @returns who has no work any more */
  drain(id: string | undefined): Promise<string>
  owner(key: string, count: number): Promise<Ownership>
  keys(id: string): Promise<readonly string[]>
  events(signal: AbortSignal): AsyncIterable<string>
  close(): Promise<void>
}

const CLUSTER = '/_skerry/cluster'

/** Asks a node of the cluster. */
export function nodeControl(flags: RemoteFlags): ClusterControl {
  const remote = new Remote(flags)
  const get = async <T>(target: string, query: Readonly<Record<string, string>> = {}): Promise<T> =>
    (await (await remote.ask('GET', withQuery(`${CLUSTER}${target}`, query))).json()) as T
  // A drain waits until workers have finished what they are at, and so does who asks for it.
  const post = async (target: string, body?: unknown): Promise<{ readonly id: string }> => {
    const asked = { unhurried: true, ...(body !== undefined && { body: JSON.stringify(body) }) }
    const response = await remote.ask('POST', `${CLUSTER}${target}`, asked)
    return (await response.json()) as { id: string }
  }
  const named = (id: string | undefined) => (id === undefined ? undefined : { id })
  return {
    members: () => get('/members'),
    join: (member) => post('/join', member),
    leave: async (id) => (await post('/leave', named(id))).id,
    drain: async (id) => (await post('/drain', named(id))).id,
    owner: (key, count) => get('/owner', { key, n: String(count) }),
    keys: async (id) => (await get<{ keys: string[] }>('/keys', { id })).keys,
    events: (signal) => answerLines(remote, 'GET', `${CLUSTER}/events`, signal),
    close: async () => {},
  }
}

/** Asks the registry itself: it works while no node does. */
export async function registryControl(
  registry: string,
  { name, slots }: { readonly name?: string; readonly slots?: number },
): Promise<ClusterControl> {
  const cluster = createCluster({
    ...{ registry, monitor: false },
    ...(name !== undefined && { name }),
    ...(slots !== undefined && { slots }),
  })
  await cluster.start()
  const named = (id: string | undefined): string => {
    if (id !== undefined) return id
    throw skerryError(
      'OPTION_INVALID',
      'id',
      'missing',
      'with --registry no node is asked; name one',
    )
  }
  return {
    members: async () => cluster.status().members,
    join: async (member) => cluster.join({ ...member, id: named(member?.id) } as MemberInput),
    leave: async (id) => {
      await cluster.leave(named(id))
      return named(id)
    },
    drain: async (id) => {
      await cluster.drain(named(id))
      return named(id)
    },
    owner: async (key, count) => ({
      ...{ key, node: cluster.getKeyNode(key) ?? null },
      nodes: cluster.getKeyNodes(key, count),
    }),
    keys: (id) => cluster.getNodeKeys(id),
    events: (signal) => eventLines(cluster, signal),
    close: () => cluster.destroy(),
  }
}

async function* eventLines(cluster: Cluster, signal: AbortSignal): AsyncGenerator<string, void> {
  const events = cluster.events()
  signal.addEventListener('abort', () => void events.return?.())
  for await (const event of events) {
    yield JSON.stringify(event.type === 'error' ? { ...event, error: event.error.message } : event)
  }
}
