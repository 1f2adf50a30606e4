import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const command = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** A running `skerry serve` of its own process, on a disk of its own. */
export interface ServedNode {
  readonly url: string
  /** Stops it and removes its disk. */
  stop(): Promise<void>
}

/** Starts a node on a free port; resolves once it serves. */
export async function startNode(...options: string[]): Promise<ServedNode> {
  const dir = mkdtempSync(join(tmpdir(), 'skerry-bench-'))
  const args = ['--import', 'tsx', command, 'serve', '--json', '--port', '0', '--data', dir]
  const child = spawn(process.execPath, [...args, '--log-level', 'error', ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const { url } = JSON.parse(line) as { url: string }
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await once(child, 'exit')
    rmSync(dir, { recursive: true })
  }
  return { url, stop }
}

/** Asks the node until `condition` holds of its status. */
export async function untilStatus(
  node: ServedNode,
  condition: (status: NodeStatus) => boolean,
): Promise<void> {
  const deadline = Date.now() + 120_000
  while (Date.now() < deadline) {
    const status = (await (await fetch(`${node.url}/_skerry/status`)).json()) as NodeStatus
    if (condition(status)) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`${node.url} does not get there`)
}

/** What the benches read of `/_skerry/status`. */
export interface NodeStatus {
  readonly seq: number
  readonly sync: {
    readonly links: readonly {
      readonly open: boolean
      readonly unrepaired: readonly string[]
      readonly bytesReceived: number
    }[]
  }
}

/** True once the node has a link over which everything is repaired. */
export function inStep({ sync: { links } }: NodeStatus): boolean {
  return links.some(({ open, unrepaired }) => open && unrepaired.length === 0)
}
