import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** The built command line; `npm test` builds it first. */
const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))

/** How a command ended. */
export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A `skerry` command in a process of its own, ended with the test if it still runs. */
export class SkerryCommand {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #stdout = ''
  #stderr = ''

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}, stdin?: string) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SKERRY_'))
    this.#child = spawn(process.execPath, [MAIN, ...args], {
      stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { ...Object.fromEntries(inherited), ...env },
    })
    this.#child.stdin?.end(stdin)
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text))
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.#ended = once(this.#child, 'close')
    onTestFinished(async () => {
      this.kill('SIGKILL')
      await this.#ended
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** The first line on stdout. */
  async firstLine(): Promise<string> {
    const [line = ''] = (await this.prints('\n')).split('\n')
    return line
  }

  /** Waits until stdout holds the text and returns all of stdout so far. */
  async prints(text: string): Promise<string> {
    await this.#holds(this.#child.stdout!, () => this.#stdout, text)
    return this.#stdout
  }

  /** Waits until stderr holds the text. */
  async logs(text: string): Promise<void> {
    await this.#holds(this.#child.stderr!, () => this.#stderr, text)
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal)
  }

  async ending(): Promise<Ending> {
    await this.#ended
    const { exitCode, signalCode } = this.#child
    return { code: exitCode, signal: signalCode, stdout: this.#stdout, stderr: this.#stderr }
  }

  /** Rejects if the command ends before. */
  async #holds(stream: Readable, all: () => string, text: string): Promise<void> {
    while (!all().includes(text)) {
      const ended = this.#ended.then(() => true)
      const more = once(stream, 'data').then(() => false)
      if ((await Promise.race([more, ended])) && !all().includes(text)) {
        throw new Error(`it ended without '${text}': ${this.#stderr}`)
      }
    }
  }
}

/** Runs a command to its end. */
export function run(args: readonly string[], env?: Record<string, string>): Promise<Ending> {
  return new SkerryCommand(args, env).ending()
}

/** A node that serves, and what its first line said. */
export interface Serving {
  readonly command: SkerryCommand
  readonly url: string
  readonly id: string
  readonly pid: number
}

/** Starts a node on a free port and waits until it serves. */
export async function serve(...flags: string[]): Promise<Serving> {
  const command = new SkerryCommand(['serve', '--json', '--port=0', ...flags])
  const said = JSON.parse(await command.firstLine()) as Omit<Serving, 'command'> & { event: string }
  return { ...said, command }
}

/** A directory that goes with the test. */
export function scratchDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'skerry-test-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
