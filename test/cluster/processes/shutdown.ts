import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createCluster } from '../../../src/cluster.ts'

// Starts clusters and destroys them at awkward moments. Ends by itself if nothing is left behind.

const registry = process.argv[2]
const server = createServer(() => {
  // Never answers: there is always a probe in flight.
}).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const { port } = server.address() as AddressInfo

/** When to destroy: at once, while starting, after so many probes. */
const moments = ['new', 'starting', 'started', 'joined', 'probed', 'working', 'event', 'twice']
for (const moment of moments) {
  const cluster = createCluster({
    name: moment,
    heartbeatIntervalMs: 20,
    leaseMs: 200,
    slots: 32,
    ...(registry ? { registry } : {}),
  })
  if (moment !== 'new') {
    const starting = cluster.start()
    // It may well say that it was closed while it started.
    if (moment === 'starting') starting.catch(() => {})
    else await starting
  }
  if (!['new', 'starting', 'started'].includes(moment)) {
    if (moment === 'event') cluster.on('joined', () => void cluster.destroy())
    const joined = cluster.join({ id: 'a', address: '127.0.0.1', port })
    await (moment === 'event' ? joined.catch(() => {}) : joined)
  }
  if (moment === 'probed') await new Promise((resolve) => server.once('request', resolve))
  if (moment === 'working') {
    const worker = cluster.worker('a')
    const assigned = new Promise<void>((resolve) => worker.once('assigned', () => resolve()))
    await worker.start()
    await assigned
  }
  if (moment === 'twice') void cluster.destroy()
  await cluster.destroy()
}
server.closeAllConnections()
server.close()
console.log(`destroyed ${moments.length} times`)
