import { fork, spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { generateKey } from '../src/events.ts'
import type { Member } from './six-nodes-node.ts'

// npx tsx examples/six-nodes.ts [FLIGHTS]
//
// Six nodes in three regions take 10,000 flights (from the package vega-datasets), or as many as
// are asked for. Half way a whole region is killed; the others go on. When it is back, everything
// ends where it should, and `skerry events repair` has the last word.

const REGIONS = ['a', 'b', 'c']
const LOST_REGION = 'c'
const CLIENTS = 32
const dir = await mkdtemp(join(tmpdir(), 'skerry-six-nodes-'))
const members: Member[] = []
for (const region of REGIONS) {
  for (const number of [1, 2]) members.push({ id: region + number, region, port: await freePort() })
}
const processes = new Map<string, ChildProcess>()

process.on('exit', () => processes.forEach((child) => child.kill()))
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

const data = new URL('../node_modules/vega-datasets/data/flights-10k.json', import.meta.url)
const flights = (JSON.parse(await readFile(data, 'utf8')) as unknown[]).slice(
  0,
  Number(process.argv[2] ?? 10_000),
)
const half = Math.floor(flights.length / 2)

await Promise.all(members.map((member) => start(member)))
console.log(`${members.length} nodes in ${REGIONS.length} regions, ${flights.length} flights`)
const keys: string[] = []
let retries = 0

let begin = Date.now()
await putAll(flights.slice(0, half), members)
say(`${keys.length} accepted at QUORUM`)

const lost = members.filter(({ region }) => region === LOST_REGION)
const left = members.filter(({ region }) => region !== LOST_REGION)
begin = Date.now()
await putAll(flights.slice(half), members, () => {
  if (keys.length !== Math.floor(half * 1.1)) return
  for (const { id } of lost) processes.get(id)?.kill('SIGKILL')
})
say(
  `${keys.length} accepted at QUORUM; region ${LOST_REGION} was killed on the way, ${retries} puts sent again to another node`,
)
console.log(`kept for its nodes: ${await total('hints', left)} copies`)

begin = Date.now()
await Promise.all(lost.map((member) => start(member)))
await handedOver()
say(`region ${LOST_REGION} is back and has taken what it missed`)

// A killed node took with it which of its puts still lacked a copy; that is for repair to find.
await skerry('events', 'repair', '--url', `http://127.0.0.1:${members[0]!.port}`)

const wanted = hashOf(flights.map((flight) => JSON.stringify(flight)))
console.log(`flights put:                ${flights.length}, sha256 ${wanted}`)
for (const member of members) {
  const { events, ordered } = await scan(member)
  const same = hashOf(events) === wanted && ordered ? 'the same, in key order' : 'DIFFERENT'
  console.log(`scan from ${member.id}: ${events.length} events, ${same}`)
  if (same === 'DIFFERENT') process.exitCode = 1
}
const copies = new Map(keys.map((key) => [key, [] as string[]]))
for (const member of members)
  for (const key of await held(member)) copies.get(key)?.push(member.region)
const counts = new Map<number, number>()
for (const regions of copies.values())
  counts.set(regions.length, (counts.get(regions.length) ?? 0) + 1)
const everywhere = [...copies.values()].filter((regions) => new Set(regions).size === 3).length
console.log(`events by number of copies: ${JSON.stringify(Object.fromEntries(counts))}`)
console.log(`events with a copy in every region: ${everywhere}`)
if ([...counts.keys()].some((count) => count < 3)) process.exitCode = 1
for (const child of processes.values()) {
  child.kill()
  if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve))
}
await rm(dir, { recursive: true })

async function start(member: Member): Promise<void> {
  const file = fileURLToPath(new URL('six-nodes-node.ts', import.meta.url))
  const child = fork(file, [dir, member.id, JSON.stringify(members)], {
    execArgv: ['--import', 'tsx'],
  })
  processes.set(member.id, child)
  await new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`${member.id} ended with ${code}`)))
  })
}

/** Runs a command; the example fails with it. */
async function skerry(...args: string[]): Promise<void> {
  console.log(`$ skerry ${args.join(' ')}`)
  const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
  const command = spawn(process.execPath, ['--import', 'tsx', main, ...args], { stdio: 'inherit' })
  const [code] = (await once(command, 'exit')) as [number | null]
  if (code !== 0) process.exitCode = 1
}

/** Puts events by many clients, each going on to the next node when one does not answer. */
async function putAll(
  events: readonly unknown[],
  nodes: readonly Member[],
  accepted: () => void = () => undefined,
): Promise<void> {
  let next = 0
  const client = async (turn: number) => {
    while (next < events.length) {
      const event = events[next++]
      const key = generateKey()
      for (let isDone = false; !isDone; turn++) {
        isDone = await put(nodes[turn % nodes.length]!, key, event)
        if (!isDone) retries++
      }
      keys.push(key)
      accepted()
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)))
}

/** The same event under the same key may be put again anywhere, so an unknown end does no harm. */
async function put(member: Member, key: string, event: unknown): Promise<boolean> {
  const url = `${urlOf(member)}?level=QUORUM&key=${key}`
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(event) }).catch(
    () => undefined,
  )
  await response?.arrayBuffer().catch(() => undefined)
  return response?.status === 201
}

async function handedOver(): Promise<void> {
  const deadline = Date.now() + 120_000
  while ((await total('hints', members)) + (await total('underReplicated', members)) > 0) {
    if (Date.now() > deadline) throw new Error('hints are left after two minutes')
    await sleep(200)
  }
}

async function total(what: 'hints' | 'underReplicated', nodes: readonly Member[]): Promise<number> {
  let sum = 0
  for (const member of nodes) {
    const status = (await (await fetch(`${urlOf(member)}/status`)).json()) as Record<
      typeof what,
      number
    >
    sum += status[what]
  }
  return sum
}

async function scan(member: Member): Promise<{ events: string[]; ordered: boolean }> {
  const text = await (await fetch(urlOf(member))).text()
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { key: string; event: unknown })
  const ordered = lines.every(({ key }, index) => index === 0 || key > lines[index - 1]!.key)
  return { events: lines.map(({ event }) => JSON.stringify(event)), ordered }
}

async function held(member: Member): Promise<string[]> {
  const found: string[] = []
  for (let from = '', more = true; more; from = `${found.at(-1)}\0`) {
    const url = `${urlOf(member)}/replicas?digests=1&from=${encodeURIComponent(from)}`
    const page = (await (await fetch(url)).json()) as { rows: [string, string][]; more: boolean }
    found.push(...page.rows.map(([key]) => key))
    more = page.more
  }
  return found
}

function hashOf(events: readonly string[]): string {
  return createHash('sha256')
    .update([...events].sort().join('\n'))
    .digest('hex')
}

function urlOf({ port }: Member): string {
  return `http://127.0.0.1:${port}/_skerry/events`
}

function say(what: string): void {
  console.log(`${what} (${((Date.now() - begin) / 1_000).toFixed(1)} s)`)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
