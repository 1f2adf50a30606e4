import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Why there is no Redis for the tests; undefined if there is. */
let missing: string | undefined | null = null

/**
 * Looks for `redis-server`: on PATH, else from the distribution's packages when run as root.
 * @returns why the tests that need it must be skipped; undefined if they need not
 */
export function whyNoRedis(): string | undefined {
  if (missing === null) missing = findRedis()
  return missing
}

function findRedis(): string | undefined {
  if (runs('redis-server', '--version')) return undefined
  if (process.getuid?.() !== 0) return 'redis-server is not on PATH, and only root may install it'
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const command of [
    ['update'],
    ['install', '-y', '--no-install-recommends', 'redis-server'],
  ]) {
    spawnSync('apt-get', command, { env: environment, stdio: 'ignore', timeout: 300_000 })
  }
  if (runs('redis-server', '--version')) return undefined
  return 'redis-server is not on PATH, and apt-get could not install it'
}

function runs(command: string, ...given: string[]): boolean {
  return spawnSync(command, given, { stdio: 'ignore' }).status === 0
}

/** A real Redis of our own, on a free port, with its data in a directory that goes with it. */
export class RedisServer {
  readonly port: number
  readonly #directory = mkdtempSync(join(tmpdir(), 'skerry-redis-'))
  readonly #arguments: readonly string[]
  readonly #command: string
  #process: ChildProcess | undefined

  constructor(port: number, command: string, given: readonly string[]) {
    this.port = port
    this.#command = command
    this.#arguments = given
  }

  /** Starts one; every write is in its log before it is acknowledged. */
  static async start(...given: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), 'redis-server', given)
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#process!.pid!
  }

  async start(): Promise<void> {
    const own = ['--port', `${this.port}`, '--dir', this.#directory, '--save', '']
    const log = ['--appendonly', 'yes', '--appendfsync', 'always']
    this.#process = spawn(this.#command, [...own, ...log, ...this.#arguments], { stdio: 'ignore' })
    await until(() => this.#answers())
  }

  /** As `kill -9`: no goodbye, nothing flushed. */
  async kill(): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGCONT')
    child.kill('SIGKILL')
    await gone
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(name)
  }

  async stop(): Promise<void> {
    await this.kill()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1')
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

const DEADLINE_MS = 30_000

/** Waits until `condition` holds, looking every few milliseconds; fails after a generous deadline. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = 'the condition',
): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what} did not come true in ${DEADLINE_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
