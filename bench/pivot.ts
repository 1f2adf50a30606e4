/**
 * How long until a node shows what was written on its leader, with 0 to 100,000 entries in the key; how many bytes
 * does that cost between the two; and how long does a node take to catch up with 1,000 writes it was cut off from?
 * By the native link, by `/_pivot` alone, and between real Go pivot servers where they can be built. Everything is in
 * memory, each server has a process of its own, and the pairs take turns.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request as send } from 'undici'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { freePort } from '../test/redis-server.ts'
import { goProgram } from '../test/interop/go-program.ts'
import { median, percentile } from './lib/figures.ts'
import { elapsed } from './lib/load.ts'
import { Relay } from './lib/relay.ts'
import { builtPackage, isSide, type Serve, startSide } from './lib/side.ts'

const SIZES = [0, 1000, 10_000, 100_000]
const ROUNDS = 15
/** Writes measured in each round, one after the other, and the fewest before them. */
const WRITES = 20
const WARMUP = 30_000
const OFFLINE_WRITES = 1000
const WRITERS = 32
const KEYS = 'rows/*'
const NODES = 'things/*'
const PROBE = 'rows/probe'
const GO_VERSION = 'e564747e7a3feda4257e3b35c2f301d293ec2182'
const padding = 'x'.repeat(100)
const agent = new Agent({ connections: WRITERS })

/** A leader and its node, with relays between them. */
interface Pair {
  readonly name: string
  readonly leader: number
  readonly node: number
  readonly relays: readonly Relay[]
  readonly probe: Probe
  stop(): Promise<void>
}

/** Starts a server; resolves to its port and how to stop it. */
type Start = (leader: number | undefined) => Promise<{ port: number; stop: () => Promise<void> }>

const skerry: Serve = async (_dir, [nativeLink, leader]) => {
  const { createServer } = await builtPackage()
  const server = await createServer({
    ...{ port: 0, memory: true, keys: [KEYS], nodesKey: NODES, nodeCheckIntervalMs: 500 },
    nativeLink: nativeLink === 'true',
    ...(leader !== undefined && { leader: `http://127.0.0.1:${leader}` }),
  })
  await server.listen()
  return { port: Number(new URL(server.url).port) }
}

const startSkerry =
  (nativeLink: boolean): Start =>
  (leader) =>
    startSide(
      import.meta.url,
      'skerry',
      String(nativeLink),
      ...(leader === undefined ? [] : [String(leader)]),
    )

const startGo =
  (executable: string): Start =>
  async (leader) => {
    const port = await freePort()
    const data = mkdtempSync(join(tmpdir(), 'skerry-bench-'))
    const given = { address: `127.0.0.1:${port}`, data, keys: KEYS, nodes: NODES }
    const all = { ...given, leader: leader === undefined ? '' : `127.0.0.1:${leader}` }
    const options = Object.entries(all).map(([name, value]) => `--${name}=${value}`)
    const child = spawn(executable, options, { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    const stop = async (): Promise<void> => {
      child.kill('SIGKILL')
      await once(child, 'exit')
      rmSync(data, { recursive: true })
    }
    return { port, stop }
  }

/** Subscribes to one path of a server, and tells when it shows a text. */
class Probe {
  readonly #socket: WebSocket
  #wanted = ''
  #seen: (at: number) => void = () => undefined

  constructor(port: number) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/${PROBE}`)
    this.#socket.on('message', (data: Buffer) => {
      if (data.toString('latin1').includes(this.#wanted)) this.#seen(performance.now())
    })
  }

  opened(): Promise<unknown> {
    return once(this.#socket, 'open')
  }

  /** Resolves to the moment at which the text is shown. */
  shows(text: string): Promise<number> {
    this.#wanted = text
    return new Promise((resolve) => (this.#seen = resolve))
  }

  close(): void {
    this.#socket.terminate()
  }
}

async function pairOf(name: string, start: Start): Promise<Pair> {
  const leader = await start(undefined)
  const toLeader = new Relay(() => leader.port)
  await toLeader.open()
  const node = await start(toLeader.port)
  const toNode = new Relay(() => node.port)
  await toNode.open()
  const probe = new Probe(node.port)
  await probe.opened()
  const pair: Pair = {
    ...{ name, leader: leader.port, node: node.port, probe },
    relays: [toLeader, toNode],
    stop: async () => {
      probe.close()
      for (const relay of [toLeader, toNode]) await relay.cut()
      await node.stop()
      await leader.stop()
    },
  }
  await post(pair, 'things/node', { ip: '127.0.0.1', port: toNode.port })
  await push(pair, 'first')
  return pair
}

async function post({ leader }: Pair, path: string, value: unknown): Promise<void> {
  const url = `http://127.0.0.1:${leader}/${path}`
  const { statusCode, body } = await send(url, {
    ...{ method: 'POST', dispatcher: agent, body: JSON.stringify(value) },
  })
  await body.dump()
  if (statusCode >= 300) throw new Error(`POST ${path}: ${statusCode}`)
}

/** Writes on the leader; resolves to how long it took until a subscriber of the node was shown it, in ms. */
async function push(pair: Pair, token: string): Promise<number> {
  const shown = pair.probe.shows(`"${token}"`)
  const start = performance.now()
  await post(pair, PROBE, { token, padding })
  return (await shown) - start
}

/** Fills the key, and waits until the node has all of it. Small ones get as many writes: V8 compiles meanwhile. */
async function fill(pair: Pair, size: number): Promise<void> {
  let next = 0
  const writer = async (): Promise<void> => {
    while (next < Math.max(size, WARMUP)) {
      const n = next++
      await post(pair, size === 0 ? PROBE : `rows/k${n % size}`, { n, padding })
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, writer))
  await push(pair, 'filled')
  if (size > 0) await untilThere(pair, `rows/k${size - 1}`)
  await untilQuiet(pair)
}

async function untilThere({ node, name }: Pair, path: string): Promise<void> {
  const deadline = Date.now() + 300_000
  while (Date.now() < deadline) {
    const answer = await send(`http://127.0.0.1:${node}/${path}`, { dispatcher: agent })
    await answer.body.dump()
    if (answer.statusCode === 200) return
    await elapsed(20)
  }
  throw new Error(`${name}: ${path} does not get to the node`)
}

/** Until nothing moves between the two but looks at their health. */
async function untilQuiet({ relays }: Pair): Promise<void> {
  for (let before = -1; ;) {
    const bytes = carried(relays)
    if (bytes - before < 10_000) return
    before = bytes
    await elapsed(1000)
  }
}

function carried(relays: readonly Relay[]): number {
  return relays.reduce((sum, { bytes }) => sum + bytes, 0)
}

interface Figures {
  /** Of each round. */
  readonly ms: number[][]
  readonly bytes: number[]
}

/** Each pair writes in turn, so that whatever else goes on hits all sizes alike. */
async function measure(pairs: readonly Pair[]): Promise<Figures[]> {
  const figures = pairs.map((pair): [Pair, Figures] => [pair, { ms: [], bytes: [] }])
  for (let round = 0; round < ROUNDS; round++) {
    for (const [pair, { ms, bytes }] of figures) {
      const before = carried(pair.relays)
      const taken: number[] = []
      for (let i = 0; i < WRITES; i++) taken.push(await push(pair, `r${round}w${i}`))
      ms.push(taken)
      bytes.push((carried(pair.relays) - before) / WRITES)
    }
  }
  return figures.map(([, each]) => each)
}

/** From the first connection after a cut until the last of the writes is there, in ms. */
async function catchUp(pair: Pair): Promise<{ ms: number; bytes: number }> {
  for (const relay of pair.relays) await relay.cut()
  for (let n = 0; n < OFFLINE_WRITES; n++) await post(pair, `rows/offline${n}`, { n, padding })
  const before = carried(pair.relays)
  const shown = pair.probe.shows('"online"')
  await post(pair, PROBE, { token: 'online', padding })
  for (const relay of pair.relays) await relay.open()
  const end = await shown
  await untilThere(pair, `rows/offline${OFFLINE_WRITES - 1}`)
  const connected = Math.min(...pair.relays.map((each) => each.firstConnectionAt ?? end))
  return { ms: end - connected, bytes: carried(pair.relays) - before }
}

/** A pair of each size, all there at once. */
async function pairsOf(name: string, start: Start): Promise<Pair[]> {
  const pairs: Pair[] = []
  for (const size of SIZES) {
    const pair = await pairOf(name, start)
    await fill(pair, size)
    pairs.push(pair)
  }
  return pairs
}

async function compare(): Promise<void> {
  const starts: [string, Start][] = [
    ['native link', startSkerry(true)],
    ['/_pivot alone', startSkerry(false)],
  ]
  const go = goProgram(GO_VERSION)
  if (go.executable === undefined)
    console.log(`GO PIVOT: NOT BUILT HERE, NO COLUMN OF IT: ${go.why}`)
  else starts.push(['Go pivot', startGo(go.executable)])
  for (const [name, start] of starts) {
    console.log(name)
    const pairs = await pairsOf(name, start)
    const figures = await measure(pairs)
    for (const [i, each] of figures.entries()) printPush(SIZES[i]!, each, figures[0]!)
    const { ms, bytes } = await catchUp(pairs.at(-1)!)
    console.log(
      `  catch-up after ${OFFLINE_WRITES.toLocaleString('en')} writes, at that size: ` +
        `${Math.round(ms)} ms, ${bytes.toLocaleString('en')} bytes`,
    )
    for (const pair of pairs) await pair.stop()
  }
  await agent.close()
}

/** Rounds side by side in time are compared, then the middle one is taken. */
function printPush(size: number, { ms, bytes }: Figures, empty: Figures): void {
  const ratio = median(ms.map((taken, round) => median(taken) / median(empty.ms[round]!)))
  console.log(
    `  ${size.toLocaleString('en').padStart(7)} entries: push ${median(ms.flat()).toFixed(2)} ms ` +
      `(p95 ${percentile(ms.flat(), 0.95).toFixed(2)}), ${ratio.toFixed(2)} of the empty one; ` +
      `${Math.round(median(bytes)).toLocaleString('en')} bytes a change`,
  )
}

if (!(await isSide({ skerry }))) await compare()
