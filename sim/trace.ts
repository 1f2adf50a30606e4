import { createHash } from 'node:crypto'

/** What happened in a simulation, a line an event; and a hash over all of it. */
export class Trace {
  readonly #hash = createHash('sha256')
  readonly #print: ((line: string) => void) | undefined
  #pending = ''
  #lines = 0

  /** @param print gets each line as it comes; without it lines are only hashed */
  constructor(print?: (line: string) => void) {
    this.#print = print
  }

  get lines(): number {
    return this.#lines
  }

  add(timeMs: number, what: string): void {
    const line = `${timeMs.toFixed(3)} ${what}`
    this.#lines++
    this.#print?.(line)
    this.#pending += `${line}\n`
    if (this.#pending.length > 8192) this.#flush()
  }

  /** Equal if and only if every line was the same. Ends the trace. */
  digest(): string {
    this.#flush()
    return this.#hash.digest('hex').slice(0, 16)
  }

  #flush(): void {
    this.#hash.update(this.#pending)
    this.#pending = ''
  }
}
