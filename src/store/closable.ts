import { skerryError } from '../core/errors.ts'
import type { Engine, EngineItem, EngineOp, EngineRange } from './engine.ts'

/** An engine that, once it is closed, answers every reader with SKERRY_STORE_CLOSED. */
export class ClosableEngine implements Engine {
  readonly #engine: Engine
  #closed = false

  constructor(engine: Engine) {
    this.#engine = engine
  }

  get durable(): boolean {
    return this.#engine.durable
  }

  assertOpen(): void {
    if (this.#closed) throw skerryError('STORE_CLOSED')
  }

  get(key: string): Uint8Array | undefined {
    this.assertOpen()
    return this.#engine.get(key)
  }

  scan(range: EngineRange): AsyncIterable<readonly EngineItem[]> {
    this.assertOpen()
    return this.#whileOpen(this.#engine.scan(range))
  }

  write(ops: readonly EngineOp[], shown?: () => void): Promise<void> {
    return this.#engine.write(ops, shown)
  }

  close(): Promise<void> {
    this.#closed = true
    return this.#engine.close()
  }

  /** Ends a scan that is under way when the engine closes, whatever the engine itself makes of it. */
  async *#whileOpen(
    chunks: AsyncIterable<readonly EngineItem[]>,
  ): AsyncIterable<readonly EngineItem[]> {
    try {
      for await (const chunk of chunks) {
        this.assertOpen()
        yield chunk
      }
    } catch (error) {
      this.assertOpen()
      throw error
    }
  }
}
