import { stampOf } from '../../core/entry.ts'
import type { HybridClock } from '../../core/hlc.ts'
import { DriftSurvey } from '../drift.ts'
import type { Group } from '../group.ts'
import { prefixRange } from '../layout.ts'
import type { Knowledge } from '../replaced.ts'
import { mayLower } from '../restamp.ts'
import type { Commit } from '../store.ts'
import type { Work } from './attempt.ts'
import { type Keyspace, parseHeld } from './keyspace.ts'

/** What stamping anew needs of its store. */
export interface RestampHost {
  readonly keyspace: Keyspace
  readonly clock: HybridClock
  watch(listener: (commit: Commit) => void): () => void
  readonly knowledge: Pick<Knowledge, 'nodeId' | 'acknowledged'>
  /** Begins a new history with this mark of the clock. */
  renew(mark: bigint): Promise<void>
  submit(work: Work<number>): Promise<number>
}

/**
 * Stamps anew, in order, what this node stamped too far ahead and no peer has acknowledged.
 * @returns how many versions
 */
export async function restamp(host: RestampHost): Promise<number> {
  const { clock, keyspace } = host
  if (!clock.isAhead(clock.mark)) return 0
  const survey = new DriftSurvey(clock)
  const stop = host.watch(({ changes }) => changes.forEach(({ entry }) => survey.note(entry)))
  try {
    for await (const chunk of keyspace.scan(prefixRange('e'))) {
      for (const [, value] of chunk) survey.note(parseHeld(value as Buffer).entry)
    }
    clock.lower(survey.highest)
    // A peer may have merged what it had no time to acknowledge: only a full repair is sure. With the epoch the
    // mark is lowered, and every other server learns of both.
    await host.renew(survey.highest)
    const run = (group: Group) => restampOwn(host, survey, group)
    return await host.submit({ paths: [...survey.ahead], fenced: true, run })
  } finally {
    stop()
  }
}

function restampOwn({ clock, knowledge }: RestampHost, survey: DriftSurvey, group: Group): number {
  for (const { entry } of group.records.values()) survey.note(entry)
  const own = [...survey.ahead]
    .flatMap((path) => group.held(path) ?? [])
    .filter((held) => clock.isAhead(stampOf(held.entry)) && mayLower(held, knowledge))
    .sort((a, b) => (stampOf(a.entry) < stampOf(b.entry) ? -1 : 1))
  for (const held of own) group.restamp(held)
  return own.length
}
