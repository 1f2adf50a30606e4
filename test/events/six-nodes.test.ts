import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'

/** Seven processes that have to start first, on a machine that may be busy. */
const MINUTES = { timeout: 600_000 }
const FLIGHTS = 1_000

async function output(file: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill())
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
  const [code] = (await once(child, 'close')) as [number | null]
  expect({ code, said }).toMatchObject({ code: 0 })
  return said
}

test(
  'six nodes in three regions lose a region half way, and repair reports nothing missing',
  MINUTES,
  async () => {
    const said = await output('examples/six-nodes.ts', `${FLIGHTS}`)
    expect(said).toMatch(/^1000 accepted at QUORUM; region c was killed on the way/m)
    expect(said, 'the region was missed').toMatch(/^kept for its nodes: [1-9]\d* copies$/m)
    expect(said).toMatch(/^events seen +1000$/m)
    for (const what of ['that lack replicas', 'unconfirmed', 'that differ']) {
      expect(said).toMatch(new RegExp(`^events ${what} +0$`, 'm'))
    }
    expect(said).toMatch(/^nodes out of reach +none$/m)
    for (const node of ['a1', 'a2', 'b1', 'b2', 'c1', 'c2']) {
      expect(said).toContain(`scan from ${node}: 1000 events, the same, in key order\n`)
    }
    expect(said).toContain('events with a copy in every region: 1000\n')
  },
)
