import { join } from 'node:path'
import Fastify from 'fastify'
import {
  createCoordinator,
  eventRoutes,
  generateKey,
  HttpTransport,
  openEventLog,
  openLevelEngine,
} from '../src/events.ts'

// One node of the example, as a process: six-nodes-node.ts DIR ID MEMBERS

/** A member of the cluster, the same list for everybody. */
export interface Member {
  readonly id: string
  readonly region: string
  readonly port: number
}

const [dir = '', id = '', members = '[]'] = process.argv.slice(2)
const all = JSON.parse(members) as Member[]
const self = all.find((member) => member.id === id) as Member

const log = await openEventLog(await openLevelEngine(join(dir, id, 'log')))
const coordinator = createCoordinator(log, {
  id,
  replicationFactor: 3,
  // One copy here and one in each of the two other regions.
  replicationStrategy: { otherRegionReplicas: 2 },
  retryIntervalMs: 1_000,
  engine: await openLevelEngine(join(dir, id, 'hints')),
  transport: new HttpTransport(),
})
for (const { id, region, port } of all.filter((member) => member !== self)) {
  const peer = { id, url: `http://127.0.0.1:${port}` }
  coordinator.addPeer(peer, region === self.region ? {} : { region })
}
const app = Fastify()
eventRoutes(app, { coordinator, log, generateKey })
await app.listen({ host: '127.0.0.1', port: self.port })
process.send?.('listening')
