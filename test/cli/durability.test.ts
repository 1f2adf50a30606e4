import { expect, test } from 'vitest'
import { scratchDir, serve } from './command.ts'

const CONNECTIONS = 48
const ACKNOWLEDGED = 3_000

/** What a node has acknowledged: the value last written to each path, null where it was deleted. */
type Acknowledged = Map<string, number | null>

test('a 2xx survives kill -9', async () => {
  const dir = scratchDir()
  const { command, url } = await serve(`--data=${dir}`)
  const acknowledged: Acknowledged = new Map()
  const pending: Acknowledged = new Map()
  const count = { acknowledged: 0 }
  const writers = Array.from({ length: CONNECTIONS }, async (_, writer) => {
    for (let n = 0; ; n++) {
      const { path, value } = nextWrite(writer, n)
      pending.set(path, value)
      if (!(await write(url, path, value))) return
      acknowledged.set(path, value)
      pending.delete(path)
      // The kill comes in the midst of the other writers' requests.
      if (++count.acknowledged === ACKNOWLEDGED) command.kill('SIGKILL')
    }
  })
  await Promise.all(writers)
  expect(await command.ending()).toMatchObject({ signal: 'SIGKILL' })
  expect(count.acknowledged).toBeGreaterThanOrEqual(ACKNOWLEDGED)

  const again = await serve(`--data=${dir}`)
  const found = await everything(again.url)
  const lost = [...acknowledged].filter(([path, value]) => {
    const actual = found.get(path) ?? null
    // A write that was never answered may or may not have come through.
    return actual !== value && !(pending.has(path) && actual === pending.get(path))
  })
  expect(lost).toEqual([])
  const unknown = [...found.keys()].filter((path) => !acknowledged.has(path) && !pending.has(path))
  expect(unknown).toEqual([])
})

/** Each writer creates a path, overwrites its own counter, and deletes every other path it created. */
function nextWrite(writer: number, n: number): { path: string; value: number | null } {
  const created = `made/${writer}-${Math.floor(n / 4)}`
  switch (n % 4) {
    case 0:
      return { path: created, value: n }
    case 3:
      return Math.floor(n / 4) % 2 === 0
        ? { path: created, value: null }
        : { path: created, value: n }
    default:
      return { path: `counters/${writer}`, value: n }
  }
}

/** Whether the node acknowledged the write; false once it is gone. */
async function write(url: string, path: string, value: number | null): Promise<boolean> {
  const request =
    value === null ? { method: 'DELETE' } : { method: 'POST', body: JSON.stringify(value) }
  try {
    const response = await fetch(`${url}/${path}`, request)
    await response.arrayBuffer()
    expect(response.ok).toBe(true)
    return true
  } catch (error) {
    // fetch rejects with a TypeError when the connection breaks: the node is dead.
    if (error instanceof TypeError) return false
    throw error
  }
}

async function everything(url: string): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for (const glob of ['made/*', 'counters/*']) {
    const entries = (await (await fetch(`${url}/${glob}`)).json()) as {
      path: string
      data: number
    }[]
    for (const { path, data } of entries) found.set(path, data)
  }
  return found
}
