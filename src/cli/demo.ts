import { type Command, InvalidArgumentError, Option } from 'commander'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { skerryError } from '../index.ts'
import type { Trio } from './demo/divergence.ts'
import { NodeProcess } from './demo/node.ts'
import { LinkProxy } from './demo/proxy.ts'
import { Screen } from './demo/screen.ts'
import { Story } from './demo/story.ts'
import { stopRequest } from './stop.ts'

interface DemoFlags {
  readonly once?: true
  readonly port: number
}

export function addDemo(program: Command, main: string): void {
  const port = new Option('--port <number>', "the leader's port; the nodes take the next two")
  program
    .command('demo')
    .description('show a leader and two nodes come into step again after a cut, with real data')
    .option('--once', 'end when it is shown: exit 0 if they agree and nothing is lost, else 1')
    .addOption(port.env('SKERRY_PORT').default(8800).argParser(portNumber))
    .action((flags: DemoFlags) => new Demo(main, flags).run())
}

/** The nodes take the two ports after this one. */
const MAX_PORT = 65_533

function portNumber(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN
  if (port <= MAX_PORT) return port
  throw new InvalidArgumentError(`It must be a whole number from 0 to ${MAX_PORT}.`)
}

/** Sets the stage, has the story told, and clears up whatever happens. */
class Demo {
  readonly #main: string
  readonly #flags: DemoFlags
  readonly #screen = new Screen(process.stdout, process.env)
  readonly #processes: NodeProcess[] = []
  /** Rejects when one of the nodes ends by itself. */
  readonly #nodeFailed: Promise<never>
  #nodeFails: (error: unknown) => void = () => undefined
  #proxy: LinkProxy | undefined
  #dir: string | undefined
  #clearing = false

  constructor(main: string, flags: DemoFlags) {
    this.#main = main
    this.#flags = flags
    this.#nodeFailed = new Promise((_, reject) => (this.#nodeFails = reject))
    // Once the demo is over, nobody looks at it any more.
    this.#nodeFailed.catch(() => undefined)
  }

  async run(): Promise<void> {
    const stop = stopRequest()
    // For a second signal, and for an error that nobody caught.
    process.once('exit', () => this.#clearAtOnce())
    const interrupted = stop.then(() => {
      throw skerryError('DEMO_FAILED', 'it was stopped before its end')
    })
    try {
      await Promise.race([this.#play(), interrupted, this.#nodeFailed])
      if (this.#flags.once !== true) await Promise.race([stop, this.#nodeFailed])
    } finally {
      await this.#clear()
    }
  }

  async #play(): Promise<void> {
    const screen = this.#screen
    screen.title('Skerry: three nodes, real data, and a link that breaks')
    const nodes = await this.#start()
    await new Story(screen, nodes, this.#proxy!).tell()
    screen.good('Converged: the three nodes are equal, and nothing that was acknowledged is lost.')
    if (this.#flags.once !== true) this.#invite(nodes)
  }

  async #start(): Promise<Trio<NodeProcess>> {
    this.#screen.step('Start a leader and two nodes: three processes, each with a disk of its own')
    this.#dir = await mkdtemp(join(tmpdir(), 'skerry-demo-'))
    const leader = await this.#node('leader', 0)
    this.#proxy = await LinkProxy.open(leader.url)
    const [north, south] = await Promise.all([
      this.#node('north', 1, this.#proxy.url),
      this.#node('south', 2, this.#proxy.url),
    ])
    const through = 'follows the leader, through a proxy that can cut the link'
    this.#screen.table([
      ['leader', leader.url, `pid ${leader.pid}`, ''],
      ['north', north.url, `pid ${north.pid}`, through],
      ['south', south.url, `pid ${south.pid}`, through],
    ])
    return { leader, north, south }
  }

  #node(name: string, offset: number, leader?: string): Promise<NodeProcess> {
    if (this.#clearing) throw skerryError('DEMO_FAILED', 'it was stopped before its end')
    const port = this.#flags.port === 0 ? 0 : this.#flags.port + offset
    const dir = join(this.#dir!, name)
    const start = { name, main: this.#main, port, dir, ...(leader && { leader }) }
    const node = new NodeProcess(start)
    this.#processes.push(node)
    node.failed().catch(this.#nodeFails)
    return node.listening()
  }

  #invite({ leader, north, south }: Trio<NodeProcess>): void {
    const screen = this.#screen
    screen.step('Your turn: the nodes stay up until you press Ctrl-C')
    screen.table([
      ['read on the leader', `curl ${leader.url}/countries/FR`],
      ['write on north', `curl -d '{"name":"Atlantis"}' ${north.url}/countries/XA`],
      ['read it on south', `curl ${south.url}/countries/XA`],
      ['delete it there', `curl -X DELETE ${south.url}/countries/XA`],
      ['list everything', `curl '${north.url}/countries/*'`],
      ['see the links', `curl ${south.url}/_skerry/status`],
    ])
  }

  async #clear(): Promise<void> {
    this.#clearing = true
    this.#proxy?.close()
    await Promise.all(this.#processes.map((node) => node.stop()))
    this.#clearAtOnce()
  }

  #clearAtOnce(): void {
    this.#clearing = true
    for (const node of this.#processes) node.kill()
    if (this.#dir !== undefined) rmSync(this.#dir, { recursive: true, force: true })
  }
}
