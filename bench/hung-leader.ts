/**
 * Does a leader that accepts connections and then hangs slow down local reads and writes? The same
 * node, both ways in turn: without a leader, and with one that never says a word.
 * The goal is a p99 within 1.5 times that of the node without one.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { percentile, printRatio } from './lib/figures.ts'
import { startNode, type ServedNode } from './lib/node.ts'

const OPERATIONS = 1500
const ROUNDS = 3

interface Latencies {
  readonly reads: number[]
  readonly writes: number[]
}

async function measure(node: ServedNode, into: Latencies): Promise<void> {
  for (let i = 0; i < OPERATIONS; i++) {
    const url = `${node.url}/rows/${i % 200}`
    const write = performance.now()
    await (await fetch(url, { method: 'POST', body: JSON.stringify({ i }) })).text()
    const read = performance.now()
    await (await fetch(url)).text()
    into.writes.push(read - write)
    into.reads.push(performance.now() - read)
  }
}

/** A server that takes connections and reads, but never answers. */
async function startHung(): Promise<{ server: Server; sockets: Socket[]; url: string }> {
  const sockets: Socket[] = []
  const server = createServer((socket) => sockets.push(socket.resume()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { server, sockets, url: `http://127.0.0.1:${port}` }
}

const without: Latencies = { reads: [], writes: [] }
const hung: Latencies = { reads: [], writes: [] }

for (let round = 0; round < ROUNDS; round++) {
  const alone = await startNode('--id', 'node')
  await measure(alone, without)
  await alone.stop()

  const silent = await startHung()
  const node = await startNode('--id', 'node', '--leader', silent.url)
  await measure(node, hung)
  await node.stop()
  silent.server.close()
  for (const socket of silent.sockets) socket.destroy()
}

for (const kind of ['reads', 'writes'] as const) {
  for (const [name, p] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const) {
    printRatio(`${kind} with a hung leader, ${name}`, {
      ours: percentile(hung[kind], p),
      theirs: percentile(without[kind], p),
      peer: 'without a leader',
      unit: 'ms',
    })
  }
}
