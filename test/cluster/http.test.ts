import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { HttpProber } from '../../src/cluster/http.ts'
import { freePort } from '../redis-server.ts'

const TIMEOUT_MS = 10_000

/** The address of a member that answers so. */
async function member(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/health`
}

test.each([
  [200, 'alive'],
  [204, 'alive'],
  [299, 'alive'],
  [301, 'missed'],
  [404, 'missed'],
  [500, 'missed'],
  [503, 'unready'],
] as const)('the answer %i means %s', async (status, outcome) => {
  const url = await member((_, response) => response.writeHead(status).end())
  expect(await new HttpProber().probe(url, TIMEOUT_MS)).toMatchObject({ outcome, status })
})

test('a member that says much is alive; no more than a piece of it is read', async () => {
  let endless = true
  const url = await member((_, response) => {
    const say = (): void => {
      while (endless && response.write('x'.repeat(16_384)));
    }
    response.on('drain', say).on('close', () => (endless = false))
    say()
  })
  expect(await new HttpProber().probe(url, TIMEOUT_MS)).toMatchObject({ outcome: 'alive' })
  await expect.poll(() => endless).toBe(false)
})

test('an answer that breaks off, refuses or hangs is a miss, and says why', async () => {
  const prober = new HttpProber()
  const torn = await member((_, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('half')
    response.flushHeaders()
    setImmediate(() => response.destroy())
  })
  expect(await prober.probe(torn, TIMEOUT_MS)).toMatchObject({ outcome: 'missed' })
  const refused = `http://127.0.0.1:${await freePort()}/`
  expect(await prober.probe(refused, TIMEOUT_MS)).toMatchObject({
    outcome: 'missed',
    reason: expect.stringContaining('ECONNREFUSED') as string,
  })
  const hung = await member(() => {})
  expect(await prober.probe(hung, 50)).toMatchObject({ reason: 'no answer within 50 ms' })
})

test('a prober that closes lets go of every probe under way', async () => {
  const prober = new HttpProber()
  let asked = 0
  const url = await member(() => asked++)
  const probes = Array.from({ length: 3 }, () => prober.probe(url, 3_600_000))
  await expect.poll(() => asked).toBe(3)
  prober.close()
  expect((await Promise.all(probes)).map(({ outcome }) => outcome)).toEqual(
    new Array(3).fill('missed'),
  )
})
