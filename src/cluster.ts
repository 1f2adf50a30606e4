import { Cluster } from './cluster/cluster.ts'
import { EmbeddedRegistry } from './cluster/embedded.ts'
import { HttpProber } from './cluster/http.ts'
import { resolveClusterOptions } from './cluster/options.ts'
import type { ClusterOptions as Options } from './cluster/options.ts'
import type { RedisOptions } from './redis/connection.ts'
import type { Registry } from './cluster/registry.ts'
import { randomId } from './core/env.ts'
import { distantRegistry } from './server/cluster/registries.ts'
import { machineEnv } from './server/env.ts'
import { openLevelEngine } from './store/level.ts'
import { LocalStore } from './store/local.ts'

export { createRing } from './cluster/ring.ts'
export { SkerryError } from './core/errors.ts'
export { Cluster } from './cluster/cluster.ts'
export type { ClusterStatus, NodeHealth } from './cluster/status.ts'
export type { ClusterEvent, ClusterEventType, MemberEventType } from './cluster/event.ts'
export type { Member, MemberInput, MemberStatus } from './cluster/member.ts'
export type { ProbeResult } from './cluster/prober.ts'
export type { RedisOptions } from './redis/connection.ts'
export type { Registry } from './cluster/registry.ts'
export type { RingAlgorithm, RingOptions } from './cluster/ring.ts'
export type { Ring, RingNode } from './cluster/ring/ring.ts'
export { Worker, type Assignment, type WorkerEvent } from './cluster/worker.ts'

export interface ClusterOptions extends Options {
  /**
   * What all processes of the cluster share. Default: inside this process, in memory; with a
   * `directory` on its disk. `http://host:port` is the registry that a Skerry server keeps there;
   * another URL (`redis://…`, `rediss://…`) or {@link RedisOptions} is Redis or Valkey; or an own one.
   */
  registry?: string | RedisOptions | { readonly directory: string } | Registry
}

/**
 * Makes a cluster; `start()` begins it.
 *
 * @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID
 * @example
 * const cluster = createCluster()
 * cluster.on('died', ({ nodeId }) => console.log(`${nodeId} died`))
 * await cluster.start()
 * await cluster.join({ id: 'node-1', address: '10.0.0.1', port: 8080, path: '/health' })
 * await cluster.distribute(['feed-1', 'feed-2'])
 * cluster.getKeyNode('feed-1') // 'node-1'
 */
export function createCluster({ registry, ...options }: ClusterOptions = {}): Cluster {
  const resolved = resolveClusterOptions(options, randomId(machineEnv))
  return new Cluster({
    env: machineEnv,
    registry: registryOf(registry, resolved.prefix, resolved.name),
    prober: new HttpProber(),
    options: resolved,
  })
}

function registryOf(given: ClusterOptions['registry'], prefix: string, name: string): Registry {
  if (given === undefined) return new EmbeddedRegistry(machineEnv)
  if (typeof given === 'string') return distantRegistry(given, { prefix, name })
  if ('directory' in given) {
    const { directory } = given
    const openStore = async () => LocalStore.open(await openLevelEngine(directory), machineEnv)
    return new EmbeddedRegistry(machineEnv, { openStore })
  }
  return 'commit' in given ? given : distantRegistry(given, { prefix, name })
}
