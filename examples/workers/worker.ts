import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createCluster } from '../../src/cluster.ts'
import { options } from './options.ts'

// One worker: it polls the files that are its own, and reports those that changed since last time.
//   tsx examples/workers/worker.ts ID REDIS_URL

/** What a worker reports: fenced by its epoch. */
export interface Report {
  readonly file: string
  readonly epoch: number
  /** Of its content; the sink compares it with the file. */
  readonly digest: string
}

const POLL_MS = 100

const [, , id = '', registry = ''] = process.argv
const cluster = createCluster({ ...options, id, monitor: false, registry })
await cluster.start()

// The health check that the monitors probe.
const server = createServer((_, response) => response.end('well\n')).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const { port } = server.address() as AddressInfo
await cluster.join({ id, address: '127.0.0.1', port, path: '/health' })

const worker = cluster.worker(id)
const underWay = new Set<Promise<void>>()
// A slot is handed over only when what is under way has come to its end.
worker.on('revoked', ({ waitUntil }) => waitUntil(Promise.allSettled(underWay)))
await worker.start()

process.once('SIGTERM', () => void stop())
process.once('disconnect', () => process.exit())

let stopping = false
while (!stopping) {
  for (const file of (await worker.keys()).keys()) {
    const polling = poll(file).finally(() => underWay.delete(polling))
    underWay.add(polling)
  }
  await Promise.allSettled(underWay)
  await sleep(POLL_MS)
}

async function poll(file: string): Promise<void> {
  const content = await readFile(file)
  // Asked after reading and before the effect: the right may have ended meanwhile.
  const epoch = worker.epochOf(file)
  if (epoch === undefined) return
  const digest = createHash('sha256').update(content).digest('hex')
  process.send?.({ file, epoch, digest } satisfies Report)
}

async function stop(): Promise<void> {
  stopping = true
  await cluster.destroy()
  server.close()
  process.disconnect?.()
}
