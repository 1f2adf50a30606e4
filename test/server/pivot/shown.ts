import { expect } from 'vitest'
import type { Server } from '../../../src/index.ts'
import type { GoPeer } from './go-peer.ts'

/** How long things may take to come into step on a machine under load. */
const LIMIT = { timeout: 20_000, interval: 20 }

/** Waits until readers of the node see these values: path → JSON text, or undefined for nothing. */
export async function shows(
  node: Server,
  values: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  await expect
    .poll(async () => {
      const seen: Record<string, string | undefined> = {}
      for (const path of Object.keys(values)) {
        seen[path] = (await node.store.read(path))?.data ?? undefined
      }
      return seen
    }, LIMIT)
    .toEqual(values)
}

/** Waits until the peer holds these values. */
export async function holds(
  peer: GoPeer,
  values: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  await expect
    .poll(
      () => Object.fromEntries(Object.keys(values).map((path) => [path, peer.data(path)])),
      LIMIT,
    )
    .toEqual(values)
}

/** Waits until the condition holds. */
export async function becomes(condition: () => unknown, value: unknown = true): Promise<void> {
  await expect.poll(condition, LIMIT).toEqual(value)
}
