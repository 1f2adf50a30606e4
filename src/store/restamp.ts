import { stampOf } from '../core/entry.ts'
import type { HybridClock } from '../core/hlc.ts'
import { DriftSurvey } from './drift.ts'
import type { Engine } from './engine.ts'
import type { Feed } from './feed.ts'
import type { Group } from './group.ts'
import { type Held, prefixRange, unpackHeld } from './layout.ts'
import type { Knowledge } from './replaced.ts'

/** What stamping anew needs of its store. */
export interface RestampHost {
  readonly engine: Pick<Engine, 'scan'>
  readonly clock: HybridClock
  readonly feed: Feed
  readonly knowledge: Pick<Knowledge, 'nodeId' | 'acknowledged'>
  /** Begins a new history, in the step of the group. */
  renew(group: Group): void
  submit<T>(run: (group: Group) => T): Promise<T>
}

/**
 * Stamps anew, in order, what this node stamped too far ahead and no peer has acknowledged.
 * @returns how many versions
 */
export async function restamp(host: RestampHost): Promise<number> {
  const { clock, feed, engine } = host
  if (!clock.isAhead(clock.mark)) return 0
  const survey = new DriftSurvey(clock)
  const stop = feed.watch(({ changes }) => {
    for (const { entry } of changes) survey.note(entry)
  })
  try {
    for await (const chunk of engine.scan(prefixRange('e'))) {
      for (const [, value] of chunk) survey.note(unpackHeld(value).entry)
    }
    return await host.submit((group) => restampOwn(host, survey, group))
  } finally {
    stop()
  }
}

/** True of a version of this node that no peer has acknowledged, so that it may be stamped anew. */
export function mayLower({ entry, seq }: Held, knowledge: RestampHost['knowledge']): boolean {
  // What overruled another version would fall below that.
  if (entry.origin !== knowledge.nodeId || entry.overrules === true) return false
  return !knowledge.acknowledged(entry.path, seq)
}

function restampOwn(host: RestampHost, survey: DriftSurvey, group: Group): number {
  const { clock, knowledge } = host
  for (const { entry } of group.records.values()) survey.note(entry)
  const ahead = [...survey.ahead].flatMap((path) => group.held(path) ?? [])
  const own = ahead.filter((held) => {
    return clock.isAhead(stampOf(held.entry)) && mayLower(held, knowledge)
  })
  own.sort((a, b) => (stampOf(a.entry) < stampOf(b.entry) ? -1 : 1))
  clock.lower(survey.highest)
  for (const held of own) group.restamp(held)
  // A peer may have merged what it had no time to acknowledge: only a full repair is sure.
  if (own.length > 0) host.renew(group)
  return own.length
}
