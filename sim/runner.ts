import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type Outcome, simulate } from './scenario.ts'
import { scenarios } from './scenarios.ts'

/** Seeds that a worker gets at once. */
const BATCH = 8

export interface RunnerOptions {
  /** Names of scenarios; each seed runs one of them, in turn. */
  readonly scenarios: readonly string[]
  readonly firstSeed: number
  readonly runs: number
  /** How many workers run side by side. Default: one a core. */
  readonly workers?: number
}

/** Which scenario a seed runs, if several are to be run. */
function scenarioOf(names: readonly string[], seed: number): string {
  return names[seed % names.length]!
}

/** One seed, in this thread. */
export function runSeed(
  names: readonly string[],
  seed: number,
  print?: (line: string) => void,
): Promise<Outcome> {
  return simulate(scenarios.get(scenarioOf(names, seed))!, seed, print)
}

/** Runs consecutive seeds on all cores; `report` gets each outcome as it comes. */
export async function runSeeds(
  options: RunnerOptions,
  report: (outcome: Outcome) => void,
): Promise<void> {
  const { firstSeed, runs, workers = availableParallelism() } = options
  let next = firstSeed
  const batch = (): number[] => {
    const from = next
    next = Math.min(next + BATCH, firstSeed + runs)
    return Array.from({ length: next - from }, (_, i) => from + i)
  }
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: options.scenarios })
      const feed = (): void => {
        const seeds = batch()
        worker.postMessage(seeds)
        if (seeds.length === 0) resolve()
      }
      worker.on('message', (outcomes: Outcome[]) => {
        outcomes.forEach(report)
        feed()
      })
      worker.on('error', reject)
      feed()
    })
  await Promise.all(Array.from({ length: workers }, work))
}

/** What a worker does: seeds in, outcomes out, until it gets no more seeds. */
function serve(names: readonly string[]): void {
  parentPort!.on('message', (seeds: number[]) => {
    if (seeds.length === 0) return parentPort!.close()
    const run = async (): Promise<void> => {
      const outcomes: Outcome[] = []
      for (const seed of seeds) outcomes.push(await runSeed(names, seed))
      parentPort!.postMessage(outcomes)
    }
    void run()
  })
}

if (!isMainThread && parentPort !== null && Array.isArray(workerData)) serve(workerData as string[])
