import type { FastifyInstance } from 'fastify'
import type { Registry } from '../../cluster/registry.ts'
import { REGISTRY_PATH } from '../../cluster/remote.ts'
import { perform } from '../../cluster/verbs.ts'
import { skerryError } from '../../core/errors.ts'
import type { Streams } from '../events/streams.ts'

/** A batch of 20,000 keys, as long as they may be in practice. */
const BODY_LIMIT_BYTES = 32 * 1024 * 1024

/** Where the registry is that is served. */
export interface RegistryHost {
  /** @throws what is to be answered if there is none for that cluster */
  registryFor(name: string): Registry
}

interface Named {
  Querystring: { readonly name?: string }
}

/**
 * The registry of this node for the other nodes of its cluster: `POST /_skerry/cluster/registry?name=`
 * carries out one verb, `GET …/registry/notices?name=` streams the notices. See `RemoteRegistry`.
 */
export function registryRoutes(app: FastifyInstance, host: RegistryHost, streams: Streams): void {
  app.post<Named & { Body: unknown }>(
    REGISTRY_PATH,
    { bodyLimit: BODY_LIMIT_BYTES },
    async (request) => perform(host.registryFor(nameOf(request.query)), request.body),
  )
  app.get<Named>(`${REGISTRY_PATH}/notices`, async (request, reply) => {
    const registry = host.registryFor(nameOf(request.query))
    let unsubscribe = (): void => {}
    const stream = streams.begin(reply, () => unsubscribe())
    unsubscribe = registry.subscribe((notice) => stream.send(JSON.stringify(notice)))
  })
}

function nameOf({ name }: Named['Querystring']): string {
  if (name === undefined) throw skerryError('REQUEST_INVALID', "the query lacks 'name'")
  return name
}
