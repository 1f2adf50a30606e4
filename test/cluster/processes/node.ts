import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createCluster } from '../../../src/cluster.ts'

// One process of the chaos test: a monitor, or a worker that works on each of its keys again and
// again and tells its parent of every piece of work.

/** A piece of work, as the parent hears of it. */
export interface Work {
  readonly key: string
  readonly epoch: number
}

const [, , role = '', id = '', registry = ''] = process.argv
const WORK_PERIOD_MS = 60

export const chaosOptions = {
  name: 'chaos',
  slots: 64,
  heartbeatIntervalMs: 200,
  heartbeatTimeoutMs: 400,
  leaseMs: 1_200,
  handoverTimeoutMs: 1_000,
}

if (role === 'monitor' || role === 'worker') await run()

async function run(): Promise<void> {
  process.on('disconnect', () => process.exit())
  const monitor = role === 'monitor'
  const options = { ...chaosOptions, id, monitor, registry: { url: registry, timeoutMs: 1_000 } }
  const cluster = await persist(async () => {
    const fresh = createCluster(options)
    await fresh.start()
    return fresh
  })
  process.send?.('ready')
  if (monitor) return
  const server = createServer((_, response) => response.end()).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await persist(() => cluster.join({ id, address: '127.0.0.1', port }))
  const worker = cluster.worker(id)
  await worker.start()
  for (;;) {
    const keys = await persist(() => worker.keys())
    for (const key of keys.keys()) {
      // Asked anew before each effect: between reading the keys and now the right may have ended.
      const epoch = worker.epochOf(key)
      if (epoch !== undefined) process.send?.({ key, epoch } satisfies Work)
    }
    await new Promise((resolve) => setTimeout(resolve, WORK_PERIOD_MS))
  }
}

/** The registry may be gone for a while: that is what the test is about. */
async function persist<T>(step: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await step()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
