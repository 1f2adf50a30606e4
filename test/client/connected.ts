import { expect, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { type Client, type ClientOptions, connect } from '../../src/client.ts'

/** A client of Node, closed when the test ends. */
export function connected(url: string, options: ClientOptions = {}): Client {
  const client = connect(url, { WebSocket, ...options })
  onTestFinished(() => client.close())
  return client
}

/** Waits until the client has a connection, or has none. */
export async function untilOnline(client: Client, online = true): Promise<void> {
  await expect.poll(() => client.sync.state.online).toBe(online)
}
