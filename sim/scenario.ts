import { messageOf } from '../src/core/errors.ts'
import { Random } from './random.ts'
import { Trace } from './trace.ts'
import { Violation, World } from './world.ts'

/** A simulation by name: what to build, what to do to it, what must hold. */
export interface Scenario {
  readonly name: string
  /** One line for people. */
  readonly summary: string
  /** Throws a {@link Violation} if something is wrong. */
  readonly run: (world: World) => Promise<void>
}

/** What came of one run. */
export interface Outcome {
  readonly scenario: string
  readonly seed: number
  readonly events: number
  /** Hash of the trace: equal for equal seeds. */
  readonly trace: string
  /** What was wrong, if anything was. */
  readonly violation?: string
}

/** Runs a scenario with a seed, which decides everything that happens in it. */
export async function simulate(
  { name, run }: Scenario,
  seed: number,
  print?: (line: string) => void,
): Promise<Outcome> {
  const trace = new Trace(print)
  const world = new World(new Random(seed), trace)
  const escaped = (error: unknown): void => {
    const { stack } = error as Error
    world.fail('crash', `a rejection that nobody handles: ${stack ?? messageOf(error)}`)
  }
  process.on('unhandledRejection', escaped)
  let violation: string | undefined
  try {
    await run(world)
    await world.run(0)
  } catch (error) {
    violation =
      error instanceof Violation ? error.message : ((error as Error).stack ?? String(error))
  } finally {
    process.off('unhandledRejection', escaped)
  }
  const outcome = { scenario: name, seed, events: world.events, trace: trace.digest() }
  return violation === undefined ? outcome : { ...outcome, violation }
}
