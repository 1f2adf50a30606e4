import { skerryError } from '../../index.ts'
import { disputedPaths } from './divergence.ts'
import type { Journal, Outcome, Write } from './journal.ts'
import type { Listing } from './listing.ts'
import { type Screen, count } from './screen.ts'

/**
 * Shows what the nodes hold beside what was acknowledged.
 * @param names of the nodes, in the order of their listings
 * @throws SKERRY_DEMO_FAILED if anything acknowledged is lost, or anything shown that nobody wrote
 */
export function compare(
  screen: Screen,
  journal: Journal,
  names: readonly string[],
  listings: readonly Listing[],
): void {
  const outcomes = journal.outcomes(listings)
  const sizes = names.map((name, at) => `${name} ${listings[at]!.entries.size}`).join(', ')
  const expected = outcomes.filter(({ standing: [write] }) => write && write.kind !== 'deleted')
  screen.table([
    ['entries', `${sizes}; expected ${expected.length}`],
    ['lists', `the same to the byte: sha-256 ${listings[0]!.digest}`],
    ['writes', writesLine(journal, outcomes)],
    ['deletions', deletionsLine(outcomes)],
  ])
  nameOverruled(screen, outcomes)
  assertNothingLost(screen, outcomes, journal.unknown(listings))
}

function writesLine(journal: Journal, outcomes: readonly Outcome[]): string {
  const standing = outcomes.flatMap((outcome) => outcome.standing)
  const overruled = outcomes.flatMap((outcome) => outcome.overruled)
  const fates = `${standing.length} stand, ${overruled.length} overruled by a newer version`
  return `${journal.size} acknowledged: ${fates} of their path`
}

function deletionsLine(outcomes: readonly Outcome[]): string {
  const gone = outcomes.filter(({ standing }) => standing.some(isDeletion))
  const back = outcomes.filter(({ standing: [write], overruled }) => {
    return write && !isDeletion(write) && overruled.some(isDeletion)
  })
  const stay = `${count(gone.length, 'path')} deleted, and gone on all three`
  return `${stay}; ${count(back.length, 'deletion')} overruled by a newer edit`
}

function isDeletion({ kind }: Write): boolean {
  return kind === 'deleted'
}

function nameOverruled(screen: Screen, outcomes: readonly Outcome[]): void {
  const disputed = outcomes.filter(({ path }) => disputedPaths.includes(path))
  const plain = outcomes.filter(({ path, overruled }) => {
    return overruled.length > 0 && !disputedPaths.includes(path)
  })
  screen.line()
  screen.line('Written on several while apart; the newest version of each path won everywhere:')
  screen.table(
    disputed.map(({ path, standing, overruled }) => {
      return [path, said(standing), `over: ${said(overruled)}`]
    }),
  )
  screen.line()
  screen.line(
    'Loaded on the leader, then changed on one node while apart; the change won everywhere:',
  )
  screen.words('edited: ', codes(plain.filter(({ standing }) => !standing.some(isDeletion))))
  screen.words('deleted:', codes(plain.filter(({ standing }) => standing.some(isDeletion))))
}

/** `edited on leader and north, created on south`. */
function said(writes: readonly Write[]): string {
  const kinds = [...new Set(writes.map(({ kind }) => kind))]
  return kinds.map((kind) => `${kind} on ${nodesOf(writes, kind)}`).join(', ')
}

function nodesOf(writes: readonly Write[], kind: Write['kind']): string {
  return writes.flatMap((write) => (write.kind === kind ? [write.by] : [])).join(' and ')
}

function codes(outcomes: readonly Outcome[]): string[] {
  return outcomes.map(({ path }) => path.slice(path.indexOf('/') + 1)).sort()
}

function assertNothingLost(
  screen: Screen,
  outcomes: readonly Outcome[],
  unknown: readonly string[],
): void {
  const lost = outcomes.filter(({ standing }) => standing.length === 0)
  for (const { path, overruled } of lost) {
    screen.bad(`${path}: some node lacks the newest of ${said(overruled)}`)
  }
  for (const path of unknown) screen.bad(`${path}: shown, but nobody wrote it`)
  if (lost.length + unknown.length === 0) return
  const wrong = count(lost.length + unknown.length, 'path')
  throw skerryError('DEMO_FAILED', `${wrong} not as acknowledged`)
}
