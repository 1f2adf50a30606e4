import { Presets, SingleBar } from 'cli-progress'

/** Shows people on a terminal how far the work is, on stderr; in a pipe it says nothing. */
export class Progress {
  readonly #bar: SingleBar | undefined

  /** @param total how many there will be; undefined if nobody knows */
  constructor(what: string, total: number | undefined) {
    if (!process.stderr.isTTY) return
    const format = total === undefined ? `{value} ${what}` : `{bar} {value}/{total} ${what}`
    this.#bar = new SingleBar(
      { format, stream: process.stderr, barsize: 40, clearOnComplete: true },
      Presets.rect,
    )
    this.#bar.start(total ?? 0, 0)
  }

  reach(done: number): void {
    this.#bar?.update(done)
  }

  end(): void {
    this.#bar?.stop()
  }
}
