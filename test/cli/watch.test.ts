import { expect, test } from 'vitest'
import { run, serve, SkerryCommand } from './command.ts'

test('watch of a glob prints what is there, then each change, and ends with 0 when told to', async () => {
  const { url } = await serve('--memory')
  const skerry = (...args: string[]) => run([...args, '--url', url])
  await skerry('set', 'users/ada', '{"born":1815}')
  const watch = new SkerryCommand(['watch', 'users/*', '--url', url])
  await watch.prints('users/ada\t{"born":1815}\n')
  await skerry('set', 'users/eve', '1')
  await watch.prints('users/eve\t1\n')
  await skerry('patch', 'users/ada', '{"died":1852}')
  await watch.prints('users/ada\t{"born":1815,"died":1852}\n')
  await skerry('delete', 'users/eve')
  await watch.prints('users/eve\t(nothing)\n')
  watch.kill('SIGINT')
  const { code, stdout } = await watch.ending()
  expect(code).toBe(0)
  expect(stdout.trimEnd().split('\n')).toHaveLength(4)
})

test('watch of a path that holds nothing says so; with --json times are exact', async () => {
  const { url } = await serve('--memory')
  const watch = new SkerryCommand(['watch', 'settings', '--json', '--url', url])
  await watch.prints('{"path":"settings","deleted":true}\n')
  await run(['set', 'settings', '"dark"', '--url', url])
  const entry = (await run(['get', 'settings', '--json', '--url', url])).stdout
  const [created] = /\d{19}/.exec(entry)!
  await watch.prints(`{"path":"settings","created":${created},"updated":0,"data":"dark"}\n`)
})

test('watch of what is no path ends with exit 1 and the code', async () => {
  const { url } = await serve('--memory')
  const { code, stderr } = await run(['watch', 'a//b', '--url', url])
  expect(stderr).toMatch(/^SKERRY_PATH_INVALID: /)
  expect(code).toBe(1)
})
