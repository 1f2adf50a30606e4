import { Cluster } from 'ioredis'
import { messageOf, skerryError, SkerryError } from '../../core/errors.ts'
import type { Client } from '../../redis/connection.ts'

/** What Redis must be set to, so that nothing it acknowledged is lost with the power. */
const REQUIRED: ReadonlyMap<string, (value: string) => boolean> = new Map([
  ['appendonly', (value: string) => value === 'yes'],
  ['appendfsync', (value: string) => value === 'always'],
  // Any other policy for all keys throws entries away when memory is short.
  ['maxmemory-policy', (value: string) => !value.startsWith('allkeys-')],
])

/**
 * True if Redis makes each write durable before it answers.
 * @throws SKERRY_REDIS_NOT_DURABLE if it does not and `durability` is full, or if that can't be known
 */
export async function checkDurability(
  client: Client,
  durability: 'full' | 'relaxed',
): Promise<boolean> {
  const fault = await faultOf(client)
  if (fault !== undefined && durability === 'full') throw skerryError('REDIS_NOT_DURABLE', fault)
  return fault === undefined
}

async function faultOf(client: Client): Promise<string | undefined> {
  const nodes = client instanceof Cluster ? client.nodes('master') : [client]
  for (const node of nodes) {
    for (const [name, holds] of REQUIRED) {
      try {
        const [, value = ''] = await node.config('GET', name)
        if (!holds(value)) return `${name} is '${value}'`
      } catch (error) {
        if (!(error instanceof SkerryError) && isForbidden(error)) {
          return `CONFIG GET ${name} is not permitted: ${messageOf(error)}`
        }
        throw error
      }
    }
  }
  return undefined
}

function isForbidden(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}
