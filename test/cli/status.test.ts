import { expect, test } from 'vitest'
import { run, scratchDir, serve } from './command.ts'

test('status --json prints what the node answers', async () => {
  const { url } = await serve('--memory', '--id=reef')
  const { code, stdout } = await run(['status', '--json', '--url', url])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ id: 'reef', ready: true, durable: false })
})

test('status tells people of the node, its links and the addresses it can not reach', async () => {
  const leader = await serve('--memory', '--id=leader')
  const flags = ['--id=reef', `--leader=${leader.url}`, '--peer=http://127.0.0.1:9']
  const { url } = await serve('--memory', ...flags)
  const status = async () => (await run(['status'], { SKERRY_URL: url })).stdout
  await expect.poll(status, { timeout: 30_000 }).toMatch(/^leader +leader at \S+ +open, has all/m)
  await expect.poll(status, { timeout: 30_000 }).toMatch(/^peer .*no link, \d+ attempts failed, /m)
  expect(await status()).toMatch(
    /^node +reef at http.*, Skerry \d+\.\d+\.\d+.*\nstate +ready, up .*, data in memory only/,
  )
})

test('status tells what a node lacks that is away, by key', async () => {
  const keys = ['--key=users/*', '--key=settings']
  const leader = await serve('--memory', '--id=leader', ...keys)
  const node = await serve(`--data=${scratchDir()}`, '--id=edge', `--leader=${leader.url}`, ...keys)
  const status = async () => (await run(['status'], { SKERRY_URL: leader.url })).stdout
  await expect.poll(status, { timeout: 30_000 }).toMatch(/^peer +edge +open, has all/m)
  node.command.kill('SIGTERM')
  await node.command.ending()
  await run(['set', 'users/1', '1'], { SKERRY_URL: leader.url })
  const away = /^known +edge +last let in on \S+, lacks 1 change, the oldest written \d+ s ago$/m
  await expect.poll(status, { timeout: 30_000 }).toMatch(away)
  expect(await status()).toMatch(/^edge lacks +users\/\* +1 change, the oldest written \d+ s ago$/m)
})

test('status of a node that is not there: exit 1', async () => {
  const { code, stderr } = await run(['status', '--url=http://127.0.0.1:9'])
  expect(stderr).toMatch(/^SKERRY_NODE_UNREACHABLE: no node answers at http:\/\/127\.0\.0\.1:9: /)
  expect(code).toBe(1)
})

test('status of an address that is none: exit 2', async () => {
  expect(await run(['status', '--url=reef'])).toMatchObject({ code: 2, stdout: '' })
})
