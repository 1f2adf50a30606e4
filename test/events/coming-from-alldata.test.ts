import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** The example of the document, made to run here: other ports, another directory, one peer. */
async function example(peerPort: number, ownPeerPort: number, port: number, dir: string) {
  const document = await readFile('docs/coming-from-alldata.md', 'utf8')
  const [, code = ''] = /```js\n([\s\S]*?)```/.exec(document) ?? []
  const changes: readonly [string, string][] = [
    [`'skerry/events'`, JSON.stringify(pathToFileURL('src/events.ts').href)],
    [`'/data'`, JSON.stringify(join(dir, 'data'))],
    ['port: 80,', `port: ${port},`],
    ['port: 8080,', `port: ${ownPeerPort},`],
    ['port: 8080,', `port: ${peerPort},`],
    ['createCoordinator(storage)', 'createCoordinator(storage, { replicationFactor: 2 })'],
  ]
  let text = code
  for (const [from, to] of changes) {
    expect(text).toContain(from)
    text = text.replace(from, to)
  }
  return `${text}\ncoordinator.addPeer({ id: 'peer', hostname: 'localhost' })\n`
}

async function runExample(file: string): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill())
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the example ended with ${code}`)))
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes('HTTP Server listening') && said.includes('Peer Server listening'))
        resolve()
    })
  })
}

/** A peer as alldata-peer-server-http is one: POST, JSON, 201. */
async function alldataPeer(got: unknown[]): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      got.push({ method: request.method, url: request.url, body: JSON.parse(body) as unknown })
      response.writeHead(201).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  return { server, port: (server.address() as AddressInfo).port }
}

test('the usage example of the README, translated line by line, runs', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'skerry-alldata-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const got: unknown[] = []
  const peer = await alldataPeer(got)
  onTestFinished(() => void peer.server.close())
  const [port, ownPeerPort] = [await freePort(), await freePort()]
  const file = join(dir, 'example.mts')
  await writeFile(file, await example(peer.port, ownPeerPort, port, dir))
  await runExample(file)

  const post = (to: number, body: string) =>
    fetch(`http://localhost:${to}/`, { method: 'POST', body })
  expect((await post(port, '{"temperature":21}')).status).toBe(201)
  const key = expect.stringMatching(/^\d{8}T\d{18}$/) as string
  expect(got).toEqual([{ method: 'POST', url: '/', body: { key, event: { temperature: 21 } } }])

  const replica = JSON.stringify((got[0] as { body: unknown }).body)
  expect((await post(ownPeerPort, replica)).status, 'a peer that sends it again').toBe(201)
  expect((await post(ownPeerPort, replica.replace(':21}', ':22}'))).status, 'another event').toBe(
    500,
  )
  expect((await post(ownPeerPort, 'no JSON')).status).toBe(400)
  expect((await fetch(`http://localhost:${port}/`)).status).toBe(405)
})
