import { readEntry, readTuple, unpack } from '../src/core/codec.ts'
import type { Entry } from '../src/core/entry.ts'
import type { Engine, EngineItem, EngineOp, EngineRange } from '../src/store/engine.ts'
import { type Held, heldKey, prefixRange, unpackHeld, withheldKey } from '../src/store/layout.ts'
import { MemoryEngine } from '../src/store/memory.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'

export interface DiskOptions {
  /** How long a synced write takes, in milliseconds. */
  readonly writeMs: readonly [low: number, high: number]
  /** How long it takes to read one chunk of a scan, in milliseconds. */
  readonly scanMs: readonly [low: number, high: number]
  /** The most items of a chunk. */
  readonly chunk: number
}

/** How writes fail. */
export type DiskFault =
  /** The write has no effect; the next one may work. */
  | 'write'
  /** Syncing failed: this write may or may not be found after a restart, and till then none works. */
  | 'sync'

/**
 * A machine's disk, which outlives its processes. A write takes time, and is then durable and shown in one
 * instant; a crash before that loses it, or keeps it without anybody having been told.
 */
export class Disk {
  readonly #options: DiskOptions
  readonly #random: Random
  #contents = new MemoryEngine()
  #pending: { readonly ops: readonly EngineOp[] } | undefined
  #faultRate = 0
  #faults: readonly DiskFault[] = []
  #broken = false
  #losses = 0

  constructor(options: DiskOptions, random: Random) {
    this.#options = options
    this.#random = random
  }

  get options(): DiskOptions {
    return this.#options
  }

  /** How often it was wiped or rewound. */
  get losses(): number {
    return this.#losses
  }

  /** Has a share of the writes fail from now on. */
  fault(rate: number, faults: readonly DiskFault[]): void {
    this.#faultRate = rate
    this.#faults = faults
  }

  /** The disk as a process sees it. */
  open(process: Process): Engine {
    this.#broken = false
    const contents = (): MemoryEngine => this.#contents
    return {
      durable: true,
      get: (key) => contents().get(key),
      scan: (range) => this.#scan(process, range),
      write: (ops, shown) => this.#write(process, ops, shown),
      close: () => Promise.resolve(),
    }
  }

  /**
   * The process ended without warning: the write under way is lost, or it was just made durable.
   * Returns what it kept that nobody was told of.
   */
  crash(): readonly Held[] {
    const pending = this.#pending
    this.#pending = undefined
    if (pending === undefined || this.#random.chance(0.5)) return []
    void this.#contents.write(pending.ops)
    return recordsOf(pending.ops)
  }

  wipe(): void {
    this.restore(new MemoryEngine())
  }

  /** What is durable now, as a copied data directory. */
  copy(): MemoryEngine {
    return this.#contents.copy()
  }

  restore(contents: MemoryEngine): void {
    this.#contents = contents.copy()
    this.#losses++
  }

  /** What is durable at the path. */
  record(path: string): Held | undefined {
    const bytes = this.#contents.get(heldKey(path))
    return bytes === undefined ? undefined : heldOf(bytes)
  }

  /** What is durable of a version withheld at the path. */
  withheld(path: string): Entry | undefined {
    const bytes = this.#contents.get(withheldKey(path))
    return bytes === undefined ? undefined : readEntry(readTuple(unpack(bytes), 'withheld')[0])
  }

  #write(process: Process, ops: readonly EngineOp[], shown?: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#broken) this.#pending = { ops }
      const delayMs = this.#random.within(this.#options.writeMs)
      process.at(delayMs, `${process.name} disk write of ${ops.length}`, () => {
        if (this.#broken || this.#random.chance(this.#faultRate)) {
          this.#fail(this.#broken ? 'write' : this.#random.pick(this.#faults))
          reject(new Error('simulated disk error'))
          return
        }
        this.#pending = undefined
        void this.#contents.write(ops, shown)
        resolve()
      })
    })
  }

  #fail(fault: DiskFault): void {
    if (fault === 'sync') this.#broken = true
    // What a failed sync left behind stays pending: the end of the process decides.
    else if (!this.#broken) this.#pending = undefined
  }

  async *#chunks(
    process: Process,
    found: AsyncIterable<readonly EngineItem[]>,
  ): AsyncIterable<readonly EngineItem[]> {
    const { chunk, scanMs } = this.#options
    for await (const items of found) {
      for (let i = 0; i < items.length; i += chunk) {
        await new Promise<void>((resolve) => {
          process.at(this.#random.within(scanMs), '', resolve)
        })
        yield items.slice(i, i + chunk)
      }
    }
  }

  #scan(process: Process, range: EngineRange): AsyncIterable<readonly EngineItem[]> {
    return this.#chunks(process, this.#contents.scan(range))
  }
}

function recordsOf(ops: readonly EngineOp[]): Held[] {
  return ops.flatMap(({ key, value }) =>
    key.startsWith('e') && value !== undefined ? [unpackHeld(value)] : [],
  )
}

/** Every record of a copied disk. */
export async function records(contents: MemoryEngine): Promise<Held[]> {
  const found: Held[] = []
  for await (const chunk of contents.scan(prefixRange('e'))) {
    for (const [, value] of chunk) found.push(heldOf(value))
  }
  return found
}

const unpacked = new WeakMap<Uint8Array, Held>()

/** Checkers look at the same records over and over: each is unpacked once. */
function heldOf(bytes: Uint8Array): Held {
  let held = unpacked.get(bytes)
  if (held === undefined) {
    held = unpackHeld(bytes)
    unpacked.set(bytes, held)
  }
  return held
}
