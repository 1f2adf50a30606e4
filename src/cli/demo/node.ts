import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { skerryError } from '../../index.ts'

/** How to start one node of the demo. */
export interface NodeStart {
  readonly name: string
  /** The file that holds the command line. */
  readonly main: string
  readonly port: number
  /** Where it keeps its data. */
  readonly dir: string
  /** Address of the node it follows. */
  readonly leader?: string
}

/** A node is given this long to stop by itself. */
const STOP_MS = 10_000

/** Log lines kept to explain a failure. */
const LOG_LINES = 20

/** `skerry serve` in a process of its own. */
export class NodeProcess {
  readonly name: string
  /** Resolves when the process has ended, for whatever reason, and its log is read to the end. */
  readonly ended: Promise<unknown>
  readonly #child: ChildProcess
  readonly #log: string[] = []
  #url = ''

  /** Spawns the process; {@link listening} says when it serves. */
  constructor({ name, main, port, dir, leader }: NodeStart) {
    this.name = name
    const flags = ['--json', '--log-level=warn', `--id=${name}`, `--port=${port}`, `--data=${dir}`]
    if (leader !== undefined) flags.push(`--leader=${leader}`)
    this.#child = spawn(process.execPath, [...process.execArgv, main, 'serve', ...flags], {
      // Its channel ends with this process, and then the node stops, even if this one is killed.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A group of its own: Ctrl-C reaches the demo alone, which stops its nodes in order.
      detached: true,
      env: withoutOptions(process.env),
    })
    this.ended = once(this.#child, 'close')
    createInterface({ input: this.#child.stderr! }).on('line', (line) => {
      this.#log.push(line)
      if (this.#log.length > LOG_LINES) this.#log.shift()
    })
  }

  get url(): string {
    return this.#url
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Resolves once it serves. If it ends before, this waits forever; see {@link failed}. */
  async listening(): Promise<this> {
    const lines = createInterface({ input: this.#child.stdout! })
    const [line] = (await once(lines, 'line')) as [string]
    this.#url = (JSON.parse(line) as { url: string }).url
    return this
  }

  /** Rejects when the process ends, with its last words. */
  async failed(): Promise<never> {
    await this.ended
    throw skerryError('DEMO_FAILED', `${this.name} ended: ${this.#log.at(-1) ?? 'it said nothing'}`)
  }

  /** Stops it in order; after 10 s, at once. */
  async stop(): Promise<void> {
    if (this.#hasEnded()) return
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => this.kill(), STOP_MS)
    await this.ended
    clearTimeout(late)
  }

  /** Ends it at once. */
  kill(): void {
    if (!this.#hasEnded()) this.#child.kill('SIGKILL')
  }

  #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }
}

/** The nodes take their options from the demo alone. */
function withoutOptions(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('SKERRY_')))
}
