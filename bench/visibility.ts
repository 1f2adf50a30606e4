/**
 * How long until a write to the leader is seen by a subscriber of another node? Three processes, both
 * disks durable. Beside it, in the same run: a bare process that appends to a log, syncs it, and
 * sends the body to a WebSocket, which is the least that a durable write to somebody else can take.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, openSync, fdatasync, rmSync, write } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { WebSocket, WebSocketServer } from 'ws'
import { percentile, printRatio } from './lib/figures.ts'
import { inStep, startNode, untilStatus } from './lib/node.ts'

const WRITES = 300
const SIZES = [0, 1000, 10_000, 100_000]

/** Writes one after the other; resolves to the time from each request to its arrival. */
async function latencies(postUrl: string, socketUrl: string): Promise<number[]> {
  const socket = new WebSocket(socketUrl)
  let arrived: (text: string) => void = () => undefined
  socket.on('message', (data: Buffer) => arrived(data.toString()))
  await new Promise((resolve) => socket.once('open', resolve))
  const times: number[] = []
  for (let i = 0; i < WRITES; i++) {
    const id = randomBytes(8).toString('hex')
    const body = JSON.stringify({ id, padding: 'x'.repeat(150) })
    const seen = new Promise<void>((resolve) => {
      arrived = (text) => {
        if (text.includes(id)) resolve()
      }
    })
    const start = performance.now()
    await fetch(postUrl, { method: 'POST', body })
    await seen
    times.push(performance.now() - start)
  }
  socket.close()
  return times
}

async function ours(): Promise<Map<number, number[]>> {
  const leader = await startNode('--id', 'leader')
  const node = await startNode('--id', 'node', '--leader', leader.url)
  const bySize = new Map<number, number[]>()
  let filled = 0
  for (const size of SIZES) {
    await fill(leader.url, filled, size)
    filled = size
    await untilStatus(node, inStep)
    const socketUrl = `${node.url.replace('http', 'ws')}/bench/live`
    bySize.set(size, await latencies(`${leader.url}/bench/live`, socketUrl))
  }
  await node.stop()
  await leader.stop()
  return bySize
}

async function fill(url: string, from: number, to: number): Promise<void> {
  let next = from
  const worker = async (): Promise<void> => {
    while (next < to) {
      const body = JSON.stringify({ n: next, padding: randomBytes(75).toString('hex') })
      await fetch(`${url}/rows/${next++}`, { method: 'POST', body })
    }
  }
  await Promise.all(Array.from({ length: 64 }, worker))
}

/** The least: append, sync, send. */
async function bare(): Promise<number[]> {
  const dir = mkdtempSync(join(tmpdir(), 'skerry-bench-'))
  const log = openSync(join(dir, 'log'), 'a')
  const sockets = new Set<WebSocket>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      void promisify(write)(log, body)
        .then(() => promisify(fdatasync)(log))
        .then(() => {
          for (const socket of sockets) socket.send(body)
          response.end('{}')
        })
    })
  })
  new WebSocketServer({ server }).on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const times = await latencies(`http://127.0.0.1:${port}/`, `ws://127.0.0.1:${port}/`)
  server.close()
  server.closeAllConnections()
  rmSync(dir, { recursive: true })
  return times
}

const least = await bare()
const bySize = await ours()
for (const [size, times] of bySize) {
  for (const [name, p] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const) {
    printRatio(`write to visible on another node, ${size} entries, ${name}`, {
      ours: percentile(times, p),
      theirs: percentile(least, p),
      peer: 'append + fdatasync + send in one process',
      unit: 'ms',
    })
  }
}
