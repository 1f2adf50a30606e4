import { existsSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { run, scratchDir, serve } from './command.ts'

const epochOf = async (url: string): Promise<string> =>
  ((await (await fetch(`${url}/_skerry/status`)).json()) as { epoch: string }).epoch

async function write(url: string, count: number, value: string): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, n) =>
      fetch(`${url}/users/u${n}`, { method: 'POST', body: value }),
    ),
  )
}

test('a backup of a node that serves and writes is whole, and restores to a moment of its life', async () => {
  const directory = scratchDir()
  const [data, backup, restored] = ['data', 'backup', 'restored'].map((name) =>
    join(directory, name),
  ) as [string, string, string]
  const live = await serve('--data', data)
  await write(live.url, 300, '"before"')
  const later = write(live.url, 300, '"after"')
  // The directory is in use: the backup comes from the node that has it.
  const taken = await run(['backup', backup, '--data', data, '--url', live.url])
  expect(taken).toMatchObject({ code: 0, stderr: '' })
  await later
  const made = await run(['restore', backup, '--data', restored])
  expect(made.code).toBe(0)

  const back = await serve('--data', restored)
  const listed = (await (await fetch(`${back.url}/users/*`)).json()) as { data: string }[]
  expect(listed).toHaveLength(300)
  expect(new Set(listed.map(({ data }) => data)).size).toBeLessThanOrEqual(2)
  expect(back.id).toBe(live.id)
  expect(await epochOf(back.url)).not.toBe(await epochOf(live.url))
})

test('a node that was restored from a backup is brought up to date by its peer, and takes nothing from it', async () => {
  const directory = scratchDir()
  const [data, backup, restored] = ['data', 'backup', 'restored'].map((name) =>
    join(directory, name),
  ) as [string, string, string]
  const leader = await serve('--memory')
  const node = await serve('--data', data, '--leader', leader.url)
  const listOf = async (url: string) => (await fetch(`${url}/users/*`)).text()
  await write(node.url, 20, '"old"')
  await run(['backup', backup, '--url', node.url])
  await write(node.url, 40, '"new"')
  await expect.poll(async () => listOf(leader.url)).toBe(await listOf(node.url))
  node.command.kill('SIGKILL')
  await node.command.ending()

  await run(['restore', backup, '--data', restored])
  const back = await serve('--data', restored, '--leader', leader.url)
  await expect.poll(async () => listOf(back.url)).toBe(await listOf(leader.url))
  expect(JSON.parse(await listOf(leader.url))).toHaveLength(40)
})

test('a backup of the data of a node that is stopped', async () => {
  const directory = scratchDir()
  const data = join(directory, 'data')
  const { url, command } = await serve('--data', data)
  await write(url, 5, '1')
  command.kill('SIGTERM')
  await command.ending()
  const { code, stdout } = await run(['backup', join(directory, 'b'), '--data', data])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ event: 'backup', format: 2 })
})

test('what is not a whole backup is refused, and nothing is made from it', async () => {
  const directory = scratchDir()
  const backup = join(directory, 'backup')
  const { url } = await serve('--memory')
  await write(url, 50, '"value"')
  await run(['backup', backup, '--url', url])
  const restored = join(directory, 'restored')
  truncateSync(join(backup, 'records.msgpack.gz'), 200)
  const cut = await run(['restore', backup, '--data', restored])
  expect(cut.stderr).toMatch(/^SKERRY_BACKUP_INVALID: /)
  const none = await run(['restore', directory, '--data', restored])
  expect(none.stderr).toMatch(/^SKERRY_BACKUP_INVALID: .*backup\.json/)
  expect([cut.code, none.code]).toEqual([1, 1])
  expect(existsSync(restored)).toBe(false)
  expect(readdirSync(directory)).toEqual(['backup'])
})

test('no backup and no node goes into a directory that holds something, and none comes from an empty one', async () => {
  const directory = scratchDir()
  writeFileSync(join(directory, 'letter'), 'dear')
  const { url } = await serve('--memory')
  const onto = await run(['backup', directory, '--url', url])
  expect(onto).toMatchObject({ code: 1, stdout: '' })
  expect(onto.stderr).toMatch(/^SKERRY_DIR_NOT_EMPTY: /)
  expect(readdirSync(directory)).toEqual(['letter'])
  const nothing = await run(['backup', join(directory, 'b'), '--data', join(directory, 'nix')])
  expect(nothing.stderr).toMatch(/^SKERRY_DATA_DIR_UNREADABLE: /)
})

test('a node does not hand out its data as the backup of another directory', async () => {
  const directory = scratchDir()
  const [mine, other] = [join(directory, 'mine'), join(directory, 'other')]
  await serve('--data', mine)
  const { url } = await serve('--data', other)
  const { code, stderr } = await run(['backup', join(directory, 'b'), '--data', mine, '--url', url])
  expect(stderr).toMatch(/^SKERRY_BACKUP_ELSEWHERE: /)
  expect(code).toBe(1)
})

test(
  'a node is restored with its events, its hints and its registry',
  { timeout: 300_000 },
  async () => {
    const directory = scratchDir()
    const [data, backup, restored, dataOfPeer] = ['data', 'backup', 'restored', 'peer'].map(
      (name) => join(directory, name),
    ) as [string, string, string, string]
    const flags = ['--replication-factor=2', '--heartbeat-interval-ms=100', '--lease-ms=400']
    const node = await serve('--data', data, '--id=x', '--cluster=c', ...flags)
    const peer = (url: string) =>
      serve('--data', dataOfPeer, '--id=y', '--cluster=c', `--registry=${url}`, ...flags)
    const away = await peer(node.url)
    await expect.poll(async () => (await eventsOf(node.url)).peers).toBe(1)
    const both = await put(node.url, 'both', 'ALL')
    away.command.kill('SIGKILL')
    await away.command.ending()
    const hinted = await put(node.url, 'hinted', 'ONE')
    await expect.poll(async () => (await eventsOf(node.url)).hints).toBe(1)

    const taken = await run(['backup', backup, '--data', data, '--url', node.url])
    const manifest = JSON.parse(taken.stdout) as { parts: Record<string, number> }
    expect(Object.keys(manifest.parts)).toEqual(['hints', 'events', 'cluster', 'store'])
    const missed = await put(node.url, 'missed', 'ONE')
    node.command.kill('SIGKILL')
    await node.command.ending()

    expect(await run(['restore', backup, '--data', restored])).toMatchObject({
      code: 0,
      stderr: '',
    })
    const back = await serve('--data', restored, '--id=x', '--cluster=c', ...flags)
    expect(await eventsOf(back.url)).toMatchObject({ hints: 1 })
    // Members come from the registry, which came from the backup.
    await expect.poll(async () => (await eventsOf(back.url)).peers).toBe(1)
    const other = await peer(back.url)
    await expect.poll(async () => (await eventsOf(back.url)).hints).toBe(0)
    for (const { url } of [back, other]) {
      expect(await replica(url, both)).toBe('"both"')
      expect(await replica(url, hinted)).toBe('"hinted"')
      // It was on the lost disk only: nobody invents it.
      expect(await replica(url, missed)).toMatch(/SKERRY_NOT_FOUND/)
    }
    const { code, stdout } = await run(['events', 'repair', '--json', '--url', back.url])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ events: 2, missing: 0, unconfirmed: 0 })
  },
)

async function eventsOf(url: string): Promise<{ peers: number; hints: number }> {
  const response = await fetch(`${url}/_skerry/events/status`)
  return (await response.json()) as { peers: number; hints: number }
}

async function put(url: string, event: string, level: string): Promise<string> {
  const request = { method: 'POST', body: JSON.stringify(event) }
  const response = await fetch(`${url}/_skerry/events?level=${level}`, request)
  return ((await response.json()) as { key: string }).key
}

/** What this one node has under the key. */
async function replica(url: string, key: string): Promise<string> {
  return (await fetch(`${url}/_skerry/events/replicas/${key}`)).text()
}
