import type { Hash } from '../core/entry.ts'
import { skerryError } from '../core/errors.ts'
import { DIGEST_BYTES, DIGEST_FANOUT, DIGEST_LEVELS } from '../store/digest.ts'
import type { Store } from '../store/store.ts'
import { freshOf, type IsSettled, itemOf, newer, unpackItems } from './items.ts'
import type { Compare, Compared, Entries, Items } from './messages.ts'
import { childrenOf, MAX_PAGE_ENTRIES } from './repair.ts'

// What the node that accepted the link answers to the one that drives the repair. It keeps no
// state between two questions.

/**
 * Which nodes of the digest differ from the peer's.
 * @throws SKERRY_CODEC_INVALID if the question makes no sense
 */
export async function answerCompare(
  store: Store,
  key: string,
  { id, level, live, parents, sums }: Compare,
): Promise<Compared> {
  const width = DIGEST_FANOUT ** (level - 1)
  if (level > DIGEST_LEVELS || parents.some((parent) => parent >= width)) {
    throw skerryError('CODEC_INVALID', 'the digest has no such node')
  }
  const nodes = childrenOf(level, parents)
  if (sums.length !== nodes.length * DIGEST_BYTES) {
    throw skerryError('CODEC_INVALID', 'there should be one digest for each node')
  }
  const digest = await store.digest(key)
  const scope = live ? 'live' : 'all'
  const differing = nodes
    .filter((index, i) => {
      const mine = digest.sum(level, index, scope)
      return mine.some((byte, at) => byte !== sums[i * DIGEST_BYTES + at])
    })
    .map((index) => [index, digest.count(level, index, scope)] as const)
  return { kind: 'compared', id, differing }
}

/** What the peer lacks of a stretch of hashes, and what it has that is missing or older here. */
export async function answerItems(
  store: Store,
  key: string,
  question: Items,
  { hash, isSettled }: { hash: Hash; isSettled: IsSettled },
): Promise<Entries> {
  const { id, from, to } = question
  const theirs = unpackItems(question.items)
  const page = await store.hashed(key, from, to, MAX_PAGE_ENTRIES)
  const found = []
  const wanted = []
  for (const hashed of page.entries) {
    const news = newer(itemOf(hashed, hash, isSettled), theirs.get(hashed.hash))
    theirs.delete(hashed.hash)
    if (news.mine) found.push(hashed)
    if (news.theirs) wanted.push(hashed.hash)
  }
  for (const [missing, { settled }] of theirs) {
    if (missing < page.upTo && !settled) wanted.push(missing)
  }
  const entries = found.map(({ entry }) => entry)
  const { seq } = store
  return {
    kind: 'entries',
    id,
    entries,
    wanted,
    upTo: page.upTo,
    fresh: freshOf(store, found),
    seq,
  }
}
