import { expect, test } from 'vitest'
import { runningNode } from '../server/running.ts'
import { run, scratchDir, serve } from './command.ts'

const ACKNOWLEDGED = 1_500
const WRITERS = 16
const KEPT = 20

test('history shows what a path held, a row each, and restores a version', async () => {
  const node = await runningNode({ id: 'here', history: { 'docs/*': 5 } })
  const at = ['--url', node.url]
  const { version } = await node.state.set('docs/a', { long: 'x'.repeat(100) })
  await node.state.text.set('docs/a', '9223372036854775807')
  await node.state.delete('docs/a')
  const { code, stdout } = await run(['history', 'docs/a', ...at])
  const [head, ...rows] = stdout.trimEnd().split('\n')
  expect([code, head]).toEqual([0, expect.stringMatching(/^version +kind +written +by +data$/)])
  expect(rows).toEqual([
    expect.stringMatching(/^[0-9a-f]{24} +current +20\S+Z +here +deleted$/),
    expect.stringMatching(/^[0-9a-f]{24} +superseded +20\S+Z +here +9223372036854775807$/),
    expect.stringMatching(new RegExp(`^${version} +superseded +20\\S+Z +here +{"long":"x+…$`)),
  ])
  const page = (await run(['history', 'docs/a', '--limit=1', ...at])).stdout
  const [, next = ''] = /--before (\d+)\n$/.exec(page) ?? []
  const rest = await run(['history', 'docs/a', `--before=${next}`, '--json', ...at])
  expect(JSON.parse(rest.stdout)).toMatchObject({ path: 'docs/a', versions: [{ version }] })

  const restored = await run(['history', 'docs/a', '--restore', version, ...at])
  expect(restored).toMatchObject({ code: 0, stdout: 'docs/a\n' })
  expect((await node.state.get('docs/a'))?.data).toEqual({ long: 'x'.repeat(100) })
  const unknown = await run(['history', 'docs/a', '--restore', 'x', ...at])
  expect(unknown).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^SKERRY_VERSION_UNK/) as string,
  })
  expect(await run(['history', 'docs/*', '--clear', ...at])).toMatchObject({
    code: 0,
    stdout: '1 history cleared.\n',
  })
  expect(await run(['history', 'docs/none', ...at])).toMatchObject({ code: 0, stdout: '' })
})

test('after kill -9 each acknowledged write has the ones before it in its history, in order', async () => {
  const flags = [`--data=${scratchDir()}`, `--history=counters/*=${KEPT}`]
  const { command, url } = await serve(...flags)
  const acknowledged = new Map<number, number>()
  let count = 0
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    for (let n = 0; await write(`${url}/counters/${writer}`, n); n++) {
      acknowledged.set(writer, n)
      if (++count === ACKNOWLEDGED) command.kill('SIGKILL')
    }
  })
  await Promise.all(writers)
  expect(await command.ending()).toMatchObject({ signal: 'SIGKILL' })

  const again = await serve(...flags)
  for (const [writer, last] of acknowledged) {
    const answer = await fetch(`${again.url}/_skerry/history/counters/${writer}`)
    const { versions } = (await answer.json()) as { versions: { data: number; kind: string }[] }
    const newest = versions[0]!.data
    // The write after the last acknowledged one may or may not have come through.
    expect([last, last + 1]).toContain(newest)
    const found = versions.map(({ data }) => data)
    const length = Math.min(newest, KEPT) + 1
    expect(found).toEqual(Array.from({ length }, (_, n) => newest - n))
  }
})

test('a backup holds the history, and so does what is restored from it', async () => {
  const directory = scratchDir()
  const [data, backup, restored] = ['data', 'backup', 'restored'].map(
    (name) => `${directory}/${name}`,
  )
  const flag = '--history=**=5'
  const { command, url } = await serve(`--data=${data}`, flag)
  for (const n of [1, 2, 3]) await write(`${url}/a`, n)
  command.kill('SIGTERM')
  await command.ending()
  expect(await run(['backup', backup!, '--data', data!])).toMatchObject({ code: 0 })
  expect(await run(['restore', backup!, '--data', restored!])).toMatchObject({ code: 0 })
  const again = await serve(`--data=${restored}`, flag)
  const answer = await fetch(`${again.url}/_skerry/history/a`)
  const { versions } = (await answer.json()) as { versions: { data: number }[] }
  expect(versions.map((version) => version.data)).toEqual([3, 2, 1])
})

/** Whether the node acknowledged the write; false once it is gone. */
async function write(url: string, value: number): Promise<boolean> {
  try {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(value) })
    await response.arrayBuffer()
    return response.ok
  } catch (error) {
    // fetch rejects with a TypeError when the connection breaks: the node is dead.
    if (error instanceof TypeError) return false
    throw error
  }
}
