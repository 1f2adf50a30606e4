import type { Hash } from '../../core/entry.ts'
import { matches } from '../../core/path.ts'
import { Digest } from '../digest.ts'
import { heldKey, patternRange } from '../layout.ts'
import type { Point } from './head.ts'
import { afterKey, type Keyspace, parseHeld } from './keyspace.ts'
import type { Step } from './steps.ts'

/** How often a digest is begun anew because the feed was cut meanwhile, before it is given up. */
const MAX_BUILDS = 10

/** A stretch of keys, up to `to`, as read at a point of the feed. */
interface Stretch {
  readonly to: string
  readonly seq: number
  readonly released: number
}

/** A digest that is kept, or still built. */
class KeptDigest {
  readonly digest: Digest
  readonly ready: Promise<Digest>
  /** What was read so far, in order of keys; forgotten once the feed has come by. */
  stretches: Stretch[] = []
  /** Steps that came since the page under way was asked for. */
  waiting: Step[] = []
  building = true

  constructor(hash: Hash, build: (kept: KeptDigest) => Promise<Digest>) {
    this.digest = new Digest(hash)
    this.ready = build(this)
  }
}

/**
 * The digests of a store on Redis, one a key: built in memory on first use, page by page, while others
 * write, then kept by the feed. Each page is of one moment, and its number says which steps it has already.
 */
export class RedisDigests {
  readonly #keyspace: Keyspace
  readonly #hash: Hash
  readonly #digests = new Map<string, KeptDigest>()

  constructor(keyspace: Keyspace, hash: Hash) {
    this.#keyspace = keyspace
    this.#hash = hash
  }

  async of(key: string): Promise<Digest> {
    for (let build = 1; ; build++) {
      let kept = this.#digests.get(key)
      if (kept === undefined) {
        kept = new KeptDigest(this.#hash, (made) => this.#build(key, made))
        this.#digests.set(key, kept)
        kept.ready.catch(() => this.#drop(key, kept!))
      }
      const digest = await kept.ready
      if (this.#digests.get(key) === kept || build === MAX_BUILDS) return digest
    }
  }

  /** Takes a step over, in the order of the feed. */
  apply(step: Step): void {
    if (step.release) return
    for (const [key, kept] of this.#digests) {
      if (!matches(key, step.change.entry.path)) continue
      if (!step.collected) follow(kept, step)
      // What was read lately has it or not; it can't be told which.
      else if (kept.building || kept.stretches.length > 0) this.#digests.delete(key)
      else kept.digest.remove(step.change.entry)
    }
  }

  /** The feed has come to the point. */
  reached(point: Point): void {
    for (const kept of this.#digests.values()) {
      const passed = ({ seq, released }: Stretch) => seq <= point.seq && released <= point.released
      if (!kept.building && kept.stretches.every(passed)) kept.stretches = []
    }
  }

  /** Steps were missed: what is known is worth nothing any more. */
  reset(): void {
    this.#digests.clear()
  }

  #drop(key: string, kept: KeptDigest): void {
    if (this.#digests.get(key) === kept) this.#digests.delete(key)
  }

  async #build(key: string, kept: KeptDigest): Promise<Digest> {
    const { from, to } = patternRange(key)
    for (let next = from; ;) {
      const { items, seq, released, last } = await this.#keyspace.page({ from: next, to })
      for (const [, value] of items) {
        const { entry } = parseHeld(value)
        if (matches(key, entry.path)) kept.digest.add(entry)
      }
      next = last ? to : afterKey(items.at(-1)![0])
      kept.stretches.push({ to: next, seq, released })
      const came = kept.waiting
      kept.waiting = []
      kept.building = !last
      // What lies beyond the page is read later, and then has these steps.
      for (const step of came) if (heldKey(step.change.entry.path) < next) apply(kept, step)
      if (last) return kept.digest
    }
  }
}

function follow(kept: KeptDigest, step: Step): void {
  const read = kept.stretches.at(-1)?.to ?? ''
  if (!kept.building || heldKey(step.change.entry.path) < read) apply(kept, step)
  else kept.waiting.push(step)
}

/** Applies a step to what was read, unless it was read after it. */
function apply({ digest, stretches }: KeptDigest, { change, old }: Step): void {
  const key = heldKey(change.entry.path)
  const stretch = stretches.find(({ to }) => key < to)
  if (stretch !== undefined && change.seq <= stretch.seq) return
  if (old !== undefined) digest.remove(old)
  digest.add(change.entry)
}
