import type { Held } from '../layout.ts'
import type { Point } from './head.ts'
import { parseHeld } from './keyspace.ts'

/** What came of the commit script. */
export type Outcome =
  | { readonly kind: 'done'; readonly from: Point; readonly to: Point }
  | { readonly kind: 'conflict'; readonly records: Map<string, Held | undefined> }
  | { readonly kind: 'stamps'; readonly first: bigint }
  | { readonly kind: 'fenced' | 'turned' | 'remains' }

/** Reads the answer of `skerryCommit`. */
export function readOutcome(answer: readonly Buffer[]): Outcome {
  const [what, ...rest] = answer
  const kind = String(what)
  if (kind === 'stamps') return { kind, first: BigInt(String(rest[0])) }
  if (kind === 'fenced' || kind === 'remains') return { kind }
  if (kind === 'done') {
    const [fromSeq, fromReleased, seq, released] = rest.map(Number)
    const from = { seq: fromSeq!, released: fromReleased! }
    return { kind, from, to: { seq: seq!, released: released! } }
  }
  if (kind !== 'conflict') return { kind: 'turned' }
  const records = new Map<string, Held | undefined>()
  for (let at = 0; at < rest.length; at += 2) {
    const value: Buffer | null = rest[at + 1] ?? null
    records.set(String(rest[at]), value === null ? undefined : parseHeld(value))
  }
  return { kind, records }
}
