import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { pack } from '../../src/core/codec.ts'
import { FORMAT, FORMAT_KEY } from '../../src/store/layout.ts'
import { openLevelEngine } from '../../src/store/level.ts'
import { SkerryCommand, run, scratchDir, serve } from './command.ts'

describe('starting', () => {
  test('serve --json prints one line with its address, id and pid, and then it serves', async () => {
    const { command, ...said } = await serve('--memory', '--id=reef')
    expect(said).toEqual({
      event: 'listening',
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
      id: 'reef',
      pid: command.pid,
    })
    expect((await fetch(`${said.url}/readyz`)).status).toBe(200)
    command.kill('SIGTERM')
    const { stdout } = await command.ending()
    expect(stdout.trim().split('\n')).toHaveLength(1)
  })

  test('without --json it says in words where it serves', async () => {
    const dir = scratchDir()
    writeFileSync(join(dir, 'node.json'), JSON.stringify({ port: 0, data: join(dir, 'data') }))
    const command = new SkerryCommand(['serve', '--config', join(dir, 'node.json')])
    expect(await command.firstLine()).toMatch(
      /^Node \w+ serves http:\/\/127\.0\.0\.1:\d+, data in /,
    )
  })

  test('the id is kept with the data', async () => {
    const dir = scratchDir()
    const first = await serve(`--data=${dir}`)
    first.command.kill('SIGTERM')
    await first.command.ending()
    const second = await serve(`--data=${dir}`)
    expect(second.id).toBe(first.id)
  })
})

describe('stopping', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s ends it with exit 0', async (signal) => {
    const { command } = await serve('--memory')
    command.kill(signal)
    expect(await command.ending()).toMatchObject({ code: 0, signal: null })
  })

  test('a request in flight is answered before the end, and its write is kept', async () => {
    const dir = scratchDir()
    const { command, url } = await serve(`--data=${dir}`)
    const socket = await halfSent(url, '{"kept":true}')
    command.kill('SIGTERM')
    await command.logs('stopping')
    socket.write('true}')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /)
    expect((await command.ending()).code).toBe(0)

    const again = await serve(`--data=${dir}`)
    const entry = (await (await fetch(`${again.url}/notes/half`)).json()) as { data: unknown }
    expect(entry.data).toEqual({ kept: true })
  })

  test('a second signal ends it at once, whatever is in flight', async () => {
    const { command, url } = await serve('--memory')
    await halfSent(url, '{"kept":true}')
    command.kill('SIGTERM')
    await command.logs('stopping')
    command.kill('SIGTERM')
    expect((await command.ending()).code).toBe(128 + 15)
  })
})

describe('what it can not start with', () => {
  test('a data directory in use: exit 1, and the node that has it is left alone', async () => {
    const dir = scratchDir()
    const { url } = await serve(`--data=${dir}`)
    const { code, stderr } = await run(['serve', '--port=0', `--data=${dir}`])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^SKERRY_DATA_DIR_IN_USE: [^\n]+\n$/)
    expect((await fetch(`${url}/a`, { method: 'POST', body: '1' })).status).toBe(200)
  })

  test('a data directory that is a file: exit 1, and the file is as it was', async () => {
    const file = join(scratchDir(), 'file')
    writeFileSync(file, 'mine')
    const { code, stderr } = await run(['serve', '--port=0', `--data=${file}`])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^SKERRY_DATA_DIR_UNREADABLE: [^\n]+\n$/)
    expect(readFileSync(file, 'utf8')).toBe('mine')
  })

  test('a damaged data directory: exit 1', async () => {
    const dir = scratchDir()
    const { command } = await serve(`--data=${dir}`)
    command.kill('SIGTERM')
    await command.ending()
    writeFileSync(join(dir, 'CURRENT'), 'MANIFEST-999999\n')
    const { code, stderr } = await run(['serve', '--port=0', `--data=${dir}`])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^SKERRY_DATA_DIR_UNREADABLE: [^\n]+\n$/)
  })

  test('data of a newer version: exit 1', async () => {
    const dir = scratchDir()
    const engine = await openLevelEngine(dir)
    await engine.write([{ key: FORMAT_KEY, value: pack(FORMAT + 1) }])
    await engine.close()
    const { code, stderr } = await run(['serve', '--port=0', `--data=${dir}`])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^SKERRY_DATA_DIR_NEWER: [^\n]+\n$/)
  })

  test('a port that is taken: exit 1', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void taken.close())
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const { code, stderr } = await run(['serve', '--memory', `--port=${port}`])
    expect(code).toBe(1)
    expect(stderr).toMatch(/SKERRY_LISTEN_FAILED: [^\n]+\n$/)
  })

  test('an address that others reach, without --insecure: exit 2', async () => {
    const { code, stderr } = await run(['serve', '--memory', '--port=0', '--host=0.0.0.0'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^SKERRY_HOST_INSECURE: [^\n]+\n$/)
  })
})

/** A write to notes/half that the node has begun to take: all but the end of its body is sent. */
async function halfSent(url: string, body: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  const head = [
    'POST /notes/half HTTP/1.1',
    `host: ${hostname}`,
    `content-length: ${body.length}`,
    'expect: 100-continue',
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  // The node says that it takes the request, so it is in flight from here on.
  await once(socket, 'data')
  socket.write(body.slice(0, -'true}'.length))
  return socket
}
