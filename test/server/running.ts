import { onTestFinished } from 'vitest'
import type { Env } from '../../src/core/env.ts'
import { createServer, type Server, type ServerOptions } from '../../src/index.ts'

/** A node in memory on a free port, closed when the test ends. */
export async function runningNode(options: ServerOptions = {}, env?: Env): Promise<Server> {
  const server = await createServer({ port: 0, memory: true, ...options }, env)
  onTestFinished(() => server.close())
  await server.listen()
  return server
}

/** The code of a JSON error, and the status it came with. */
export async function failure(response: Response): Promise<{ status: number; code: unknown }> {
  const { code, message } = (await response.json()) as { code: unknown; message: unknown }
  if (typeof message !== 'string' || message === '') throw new Error('an error without a message')
  return { status: response.status, code }
}
