import type { Engine, EngineItem, EngineOp, EngineRange } from '../../src/store/engine.ts'

/** An engine whose writes a test holds back, lets go or fails. */
export class GatedEngine implements Engine {
  readonly #engine: Engine
  #held: Promise<void> | undefined
  #letGo = (): void => undefined
  #failure: Error | undefined
  #arrived = (): void => undefined
  /** How many writes have come. */
  writes = 0

  constructor(engine: Engine) {
    this.#engine = engine
  }

  get durable(): boolean {
    return this.#engine.durable
  }

  /** Holds every write back until {@link letGo}. Resolves when one has come. */
  hold(): Promise<void> {
    this.#held = new Promise((resolve) => (this.#letGo = resolve))
    return new Promise((resolve) => (this.#arrived = resolve))
  }

  letGo(): void {
    this.#held = undefined
    this.#letGo()
  }

  /** Fails every write with `failure`, or none any longer. */
  fail(failure: Error | undefined): void {
    this.#failure = failure
  }

  get(key: string): Uint8Array | undefined {
    return this.#engine.get(key)
  }

  scan(range: EngineRange): AsyncIterable<readonly EngineItem[]> {
    return this.#engine.scan(range)
  }

  async write(ops: readonly EngineOp[], shown?: () => void): Promise<void> {
    this.writes++
    this.#arrived()
    await this.#held
    if (this.#failure !== undefined) throw this.#failure
    await this.#engine.write(ops, shown)
  }

  close(): Promise<void> {
    return this.#engine.close()
  }
}
