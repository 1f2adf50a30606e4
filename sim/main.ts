import { Command, InvalidArgumentError } from 'commander'
import { runSeed, runSeeds } from './runner.ts'
import type { Outcome } from './scenario.ts'
import { scenarios, scenes } from './scenarios.ts'

/** How often progress is told, in runs. */
const PROGRESS_EVERY = 100

/** The most failures that are told in full. */
const MAX_TOLD = 20

interface Options {
  readonly seed: number
  readonly runs: number
  readonly scenario?: string
  readonly trace?: true
  readonly list?: true
}

/** Parses the command line and runs; resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const command = new Command('sim')
    .description(
      'Runs whole nodes over simulated time, network and disk; a seed decides everything',
    )
    .option('--seed <n>', 'the first seed', whole, 1)
    .option('--runs <n>', 'how many seeds to run, one after the other', whole, 1)
    .option('--scenario <name>', 'which scenario; default: all that play random faults, in turn')
    .option('--trace', 'print every event')
    .option('--list', 'list the scenarios')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
    .parse(args, { from: 'user' })
  const options = command.opts<Options>()
  if (options.list) {
    for (const { name, summary } of scenarios.values()) console.log(`${name.padEnd(16)}${summary}`)
    return 0
  }
  const names = namesOf(options.scenario)
  if (names.length === 0) {
    console.error(`there is no scenario '${options.scenario}'; --list names them all`)
    return 2
  }
  return run(names, options)
}

/** The scenarios that are meant: one by its name, or all that seeds play through. */
function namesOf(name: string | undefined): string[] {
  if (name === undefined) return scenes.map((scene) => scene.name)
  return scenarios.has(name) ? [name] : []
}

async function run(
  names: readonly string[],
  { seed, runs, trace, scenario }: Options,
): Promise<number> {
  let done = 0
  let events = 0
  const failures: Outcome[] = []
  const report = (outcome: Outcome): void => {
    done++
    events += outcome.events
    if (outcome.violation !== undefined) {
      failures.push(outcome)
      if (failures.length <= MAX_TOLD) tell(outcome, scenario)
    }
    if (done % PROGRESS_EVERY === 0) console.log(`${done}/${runs} runs, ${failures.length} failed`)
  }
  if (runs > 1 && !trace) await runSeeds({ scenarios: names, firstSeed: seed, runs }, report)
  else {
    const print = trace ? (line: string) => console.log(line) : undefined
    for (let at = seed; at < seed + runs; at++) {
      const outcome = await runSeed(names, at, print)
      report(outcome)
      console.log(
        `seed ${at}: ${outcome.scenario}, ${outcome.events} events, trace ${outcome.trace}`,
      )
    }
  }
  console.log(`${done} runs from seed ${seed}, ${events} events, ${failures.length} failed`)
  return failures.length === 0 ? 0 : 1
}

function tell({ seed, scenario: name, violation }: Outcome, scenario: string | undefined): void {
  const which = scenario === undefined ? '' : ` --scenario ${scenario}`
  console.error(`\nFAILED seed ${seed} (${name})\n  ${violation}`)
  console.error(`  replay: npm run sim -- --seed ${seed}${which} --trace\n`)
}

function whole(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('it should be a whole number below 1,000,000,000')
}
