import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { RedisServer, whyNoRedis } from '../redis-server.ts'

const script = fileURLToPath(new URL('../../examples/workers/main.ts', import.meta.url))

test(
  'the example: workers are killed, join and are drained, and each file has one of them',
  { timeout: 900_000 },
  async (context) => {
    const why = whyNoRedis()
    if (why) return context.skip(why)
    const redis = await RedisServer.start()
    onTestFinished(() => redis.stop())
    const child = spawn(process.execPath, ['--import', 'tsx', script], {
      env: { ...process.env, REDIS_URL: redis.url },
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    }
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect(code, output).toBe(0)
    expect(output).toMatch(/b died/)
    expect(output).toMatch(/a drained +c \d+, d \d+; each file by one worker/)
    expect(output).toMatch(/polls accepted, \d+ refused by epoch, 0 doubled/)
  },
)
