import { Presets, SingleBar } from 'cli-progress'

/** What a bar shows besides how far it is, by the names in its format. */
export type ProgressNotes = Readonly<Record<string, string | number>>

/** Shows people on a terminal how far the work is, on stderr; in a pipe it says nothing. */
export class Progress {
  readonly #bar: SingleBar | undefined

  /**
   * @param what is counted, or with `notes` the whole format of cli-progress
   * @param total how many there will be; undefined if nobody knows
   */
  constructor(what: string, total: number | undefined, notes?: ProgressNotes) {
    if (!process.stderr.isTTY) return
    const plain = total === undefined ? `{value} ${what}` : `{bar} {value}/{total} ${what}`
    const format = notes === undefined ? plain : what
    this.#bar = new SingleBar(
      { format, stream: process.stderr, barsize: 40, clearOnComplete: true },
      Presets.rect,
    )
    this.#bar.start(total ?? 0, 0, notes)
  }

  reach(done: number, notes?: ProgressNotes): void {
    this.#bar?.update(done, notes)
  }

  end(): void {
    this.#bar?.stop()
  }
}
