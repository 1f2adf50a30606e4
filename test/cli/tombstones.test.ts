import { expect, test } from 'vitest'
import { runningNode } from '../server/running.ts'
import { withhold } from '../server/withheld.ts'
import { run } from './command.ts'

test('withheld lists what waits and decides on it, and status counts it', async () => {
  const node = await runningNode()
  await withhold(node, ['users/1', 'users/2'])
  const at = ['--url', node.url]
  const lines = [1, 2].map((n) => `users/${n}\tstale\t9223372036854775807\n`)
  expect(await run(['withheld', ...at])).toMatchObject({ code: 0, stdout: lines.join('') })
  expect((await run(['status', ...at])).stdout).toMatch(/^withheld +2 versions/m)

  const decide = ['withheld', ...at, '--release', 'users/1', '--drop', 'users/2', 'users/3']
  const said = '1 released, 1 dropped.\n'
  expect(await run(decide)).toMatchObject({ code: 0, stdout: said })
  const json = '{"count":0,"withheld":[]}\n'
  expect(await run(['withheld', '--json', ...at])).toMatchObject({ code: 0, stdout: json })
  expect((await node.state.text.get('users/1'))?.data).toBe('9223372036854775807')
})

test('forget tells a node that another one is gone, and status names it', async () => {
  const leader = await runningNode({ id: 'leader' })
  const node = await runningNode({ id: 'north', leader: leader.url })
  const linked = (): unknown => leader.status().sync.peers.map((peer) => peer.linked)
  await expect.poll(linked, { timeout: 30_000 }).toEqual([true])
  const at = ['--url', leader.url]
  const refused = await run(['forget', 'north', ...at])
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringMatching(/^SKERRY_PEER_LINKED: /),
  ])
  await node.close()
  await expect.poll(linked, { timeout: 30_000 }).toEqual([false])
  expect(await run(['forget', 'north', ...at])).toMatchObject({ code: 0 })
  expect((await run(['status', ...at])).stdout).toMatch(/^known +north +forgotten on \d{4}-/m)
})
