import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { skerryError } from '../../index.ts'
import { NodeProcess } from '../demo/node.ts'

/** The hidden command that serves the bare loop. */
export const BARE_COMMAND = 'bench-bare'

/** A server that is measured, in a process of its own. */
export interface Side {
  readonly url: string
  /** Ends it, and removes what it kept. */
  stop(): Promise<void>
}

/** Starts a node on loopback that keeps its data in a directory of its own. */
export async function startNode(main: string): Promise<Side & { readonly dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'skerry-bench-'))
  const node = new NodeProcess({ name: 'bench', main, port: 0, dir })
  const stop = async (): Promise<void> => {
    await node.stop()
    await rm(dir, { recursive: true, force: true })
  }
  try {
    const { url } = await Promise.race([node.listening(), failed('its node', node.ended)])
    return { url, dir, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Starts the bare loop. */
export async function startBare(main: string): Promise<Side> {
  const child = fork(main, [BARE_COMMAND], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ended = once(child, 'exit')
  const [port] = (await Promise.race([once(child, 'message'), failed('the bare loop', ended)])) as [
    number,
  ]
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function failed(name: string, ended: Promise<unknown>): Promise<never> {
  await ended
  throw skerryError('BENCH_FAILED', `${name} ended before it served`)
}
