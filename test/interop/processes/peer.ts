/** The peer of the tests in `test/interop` that is Skerry itself, by the pivot protocol alone. Takes what `go/main.go` does. */
import { parseArgs } from 'node:util'
import { createServer } from '../../../src/index.ts'

const text = { type: 'string', default: '' } as const
const { values } = parseArgs({
  options: { address: text, data: text, keys: text, nodes: text, leader: text },
})
const server = await createServer({
  port: Number(values.address.split(':')[1]),
  data: values.data,
  keys: values.keys.split(','),
  nodesKey: values.nodes,
  leader: values.leader === '' ? undefined : `http://${values.leader}`,
  nodeCheckIntervalMs: 100,
  nativeLink: false,
})
await server.listen()
console.log('ready')
