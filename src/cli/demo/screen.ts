import { Presets, SingleBar } from 'cli-progress'
import { styleText } from 'node:util'
import { table } from '../table.ts'

const WIDTH = 96
const INDENT = '   '

type Style = Parameters<typeof styleText>[0]

/** What the demo prints: plain text in a pipe, colours and a progress bar on a terminal. */
export class Screen {
  readonly #out: NodeJS.WriteStream
  readonly #coloured: boolean
  #step = 0

  constructor(out: NodeJS.WriteStream, env: NodeJS.ProcessEnv) {
    this.#out = out
    this.#coloured = out.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
  }

  title(text: string): void {
    this.#print(this.#styled('bold', text))
  }

  /** Begins the next step of the story. */
  step(text: string): void {
    this.#step++
    this.#print(
      '',
      `${this.#styled(['bold', 'cyan'], String(this.#step))}  ${this.#styled('bold', text)}`,
    )
  }

  line(text = ''): void {
    this.#print(text === '' ? '' : INDENT + text)
  }

  table(rows: readonly (readonly string[])[]): void {
    for (const line of table(rows)) this.line(line)
  }

  /** A list of words after a label, wrapped. */
  words(label: string, words: readonly string[]): void {
    let line = label
    for (const word of words) {
      if (line.length + word.length + 1 > WIDTH - INDENT.length) {
        this.line(line)
        line = ' '.repeat(label.length)
      }
      line += ` ${word}`
    }
    this.line(line)
  }

  good(text: string): void {
    this.#print('', this.#styled(['bold', 'green'], text))
  }

  bad(text: string): void {
    this.line(this.#styled(['bold', 'red'], text))
  }

  /** Shows how far the work is, on a terminal; returns what to call for each part done. */
  progress(total: number): { done(): void; end(): void } {
    if (!this.#out.isTTY) return { done: () => undefined, end: () => undefined }
    const options = {
      format: `${INDENT}{bar} {value}/{total}`,
      stream: this.#out,
      barsize: 40,
      clearOnComplete: true,
    }
    const bar = new SingleBar(options, Presets.rect)
    bar.start(total, 0)
    return { done: () => bar.increment(), end: () => bar.stop() }
  }

  #styled(style: Style, text: string): string {
    return this.#coloured ? styleText(style, text) : text
  }

  #print(...lines: string[]): void {
    for (const line of lines) this.#out.write(`${line}\n`)
  }
}

/** `1234.5` → `1.23 s`, `12.34` → `12 ms`. */
export function duration(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${Math.max(1, Math.round(ms))} ms`
}

/** `1, 'entry', 'entries'` → `1 entry`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`
}
