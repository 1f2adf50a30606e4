import { type Command, InvalidArgumentError, Option } from 'commander'
import { randomBytes } from 'node:crypto'
import { CONNECTIONS, type Figures, Load, SUBSCRIBERS, WRITERS } from './bench/load.ts'
import { serveBare } from './bench/bare.ts'
import { BARE_COMMAND, type Side, startBare, startNode } from './bench/side.ts'
import { Remote } from './remote.ts'
import { stopRequest } from './stop.ts'
import { table } from './table.ts'

interface BenchFlags {
  readonly against?: string
  readonly token?: string
  readonly seconds: number
  readonly json?: true
}

/** What is measured, and what it is called. */
const MEASUREMENTS = ['writes', 'reads', 'deliveries'] as const

/** A measurement of both sides. */
interface Comparison {
  readonly name: (typeof MEASUREMENTS)[number]
  readonly ours: Figures
  readonly bare: Figures
  /** Ours by the bare loop's. */
  readonly ratio: number
}

const DEFAULT_SECONDS = 2
const MAX_SECONDS = 3600

/** @param main the file that holds the command line */
export function addBench(program: Command, main: string): void {
  program
    .command('bench')
    .description('measure a node beside a bare loop on this machine')
    .option('--against <url>', 'a node that runs already; by default one of its own, thrown away')
    .addOption(
      new Option('--token <token>', 'who asks, where the node wants to know').env('SKERRY_TOKEN'),
    )
    .addOption(
      new Option('--seconds <n>', 'how long each of the six measurements takes')
        .argParser(secondsOf)
        .default(DEFAULT_SECONDS),
    )
    .option('--json', 'print one JSON object')
    .action((flags: BenchFlags) => bench(main, flags))
  program
    .command(BARE_COMMAND, { hidden: true })
    .description('serve the bare loop, for bench')
    .action(async () => {
      const port = await serveBare()
      process.send?.(port)
      process.once('disconnect', () => process.exit())
    })
}

async function bench(main: string, flags: BenchFlags): Promise<void> {
  const { against, token, seconds } = flags
  if (against !== undefined) new Remote({ url: against })
  const stop = new AbortController()
  void stopRequest().then(() => stop.abort())
  const path = `bench-${randomBytes(4).toString('hex')}`
  const sides: Side[] = []
  try {
    const url = against ?? (await ownNode(main, sides))
    const bare = await startBare(main)
    sides.push(bare)
    if (against !== undefined)
      tell(`writes below '${path}/' at ${url}, and deletes that at the end`)
    const target = { url, path, ...(token !== undefined && { token }) }
    const ours = new Load(target, seconds, stop.signal)
    const beside = new Load({ url: bare.url, path }, seconds, stop.signal)
    print(flags, url, await compare(ours, beside, path))
  } finally {
    for (const side of sides) await side.stop()
  }
}

async function ownNode(main: string, sides: Side[]): Promise<string> {
  const node = await startNode(main)
  sides.push(node)
  tell(`measures a node of its own, which keeps its data in ${node.dir} until the end`)
  return node.url
}

async function compare(ours: Load, bare: Load, path: string): Promise<Comparison[]> {
  const comparisons: Comparison[] = []
  try {
    for (const name of MEASUREMENTS) {
      const figures = { ours: await ours[name](), bare: await bare[name]() }
      const ratio = figures.ours.perSecond / figures.bare.perSecond
      comparisons.push({ name, ...figures, ratio })
    }
  } finally {
    await bare.close()
    await ours.clean().catch((error: unknown) => {
      tell(
        `what it wrote may still be below '${path}/'; delete '${path}/writes/*', '${path}/live/*'`,
      )
      throw error
    })
  }
  return comparisons
}

function print({ json, seconds }: BenchFlags, url: string, comparisons: Comparison[]): void {
  if (json === true) {
    const load = { connections: CONNECTIONS, subscribers: SUBSCRIBERS, writers: WRITERS }
    process.stdout.write(`${JSON.stringify({ url, seconds, ...load, comparisons })}\n`)
    return
  }
  const rows = comparisons.map(({ name, ours, bare, ratio }) => [
    name,
    rate(ours),
    rate(bare),
    ratio.toFixed(2),
    `${ours.p99Ms.toFixed(1)} ms`,
    `${bare.p99Ms.toFixed(1)} ms`,
  ])
  const head = ['', 'node', 'bare loop', 'ratio', 'node p99', 'bare p99']
  const lines = [
    ...table([head, ...rows]),
    `writes and reads over ${CONNECTIONS} connections; deliveries to ${SUBSCRIBERS} subscribers of ${WRITERS} writers;`,
    'the bare loop is node:http and ws on this machine: it keeps nothing and syncs no disk.',
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

function rate({ perSecond }: Figures): string {
  return `${Math.round(perSecond).toLocaleString('en')}/s`
}

function tell(line: string): void {
  process.stderr.write(`bench: ${line}\n`)
}

function secondsOf(text: string): number {
  const seconds = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && seconds > 0 && seconds <= MAX_SECONDS) return seconds
  throw new InvalidArgumentError(`use a number above 0, at most ${MAX_SECONDS}.`)
}
