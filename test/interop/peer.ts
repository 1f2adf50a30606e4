import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import { freePort } from '../redis-server.ts'
import { scratchDir } from '../cli/command.ts'

/** What every peer program takes. */
export interface PeerFlags {
  readonly keys: readonly string[]
  readonly nodes: string
  /** `host:port`; undefined: the peer leads. */
  readonly leader: string | undefined
}

/** A server in a process of its own that speaks the pivot protocol, on a disk that outlives the process. */
export class Peer {
  readonly port: number
  readonly #command: readonly string[]
  #process: ChildProcess | undefined

  constructor(port: number, command: readonly string[]) {
    this.port = port
    this.#command = command
  }

  static async start(program: readonly string[], flags: PeerFlags): Promise<Peer> {
    const port = await freePort()
    const given = {
      ...{ address: `127.0.0.1:${port}`, data: scratchDir(), keys: flags.keys.join(',') },
      ...{ nodes: flags.nodes, leader: flags.leader ?? '' },
    }
    const options = Object.entries(given).map(([name, value]) => `--${name}=${value}`)
    const peer = new Peer(port, [...program, ...options])
    onTestFinished(() => peer.kill())
    await peer.run()
    return peer
  }

  /** Starts the process; resolves once it serves. */
  async run(): Promise<void> {
    const [file, ...given] = this.#command
    const child = spawn(file!, given, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#process = child
    const ended = once(child, 'exit').then(() => 'ended')
    if ((await Promise.race([once(child.stdout, 'data'), ended])) === 'ended') {
      throw new Error(`${file} ended before it served`)
    }
  }

  /** As `kill -9`. */
  async kill(): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  async set(path: string, value: unknown): Promise<void> {
    await this.#call('POST', path, JSON.stringify(value))
  }

  async delete(path: string): Promise<void> {
    await this.#call('DELETE', path)
  }

  /** The value at the path; undefined if there is none. */
  async value(path: string): Promise<unknown> {
    const response = await fetch(this.#url(path))
    const body = await response.text()
    if (response.status === 404 || response.status === 400) return undefined
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${body}`)
    return (JSON.parse(body) as { data: unknown }).data
  }

  async #call(method: string, path: string, body?: string): Promise<void> {
    const response = await fetch(this.#url(path), { method, ...(body && { body }) })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`)
    await response.arrayBuffer()
  }

  #url(path: string): string {
    return `http://127.0.0.1:${this.port}/${path}`
  }
}
