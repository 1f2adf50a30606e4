import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { fileFailure } from './file.ts'

/** What the file beside the imported one holds. */
interface Place {
  readonly url: string
  readonly size: number
  readonly modifiedMs: number
  readonly lines: number
}

/**
 * How far a file was imported into a node, kept in a file beside it, so that an import that was cut short
 * goes on where it was. It counts only for the same node and the unchanged file.
 */
export class Bookmark {
  readonly #file: string
  #place: Place

  constructor(file: string, place: Place) {
    this.#file = file
    this.#place = place
  }

  /** The bookmark of the file; at its start if there is none yet. */
  static async of(file: string, url: string): Promise<Bookmark> {
    const { size, mtimeMs: modifiedMs } = await stat(file).catch((error: unknown) => {
      throw fileFailure(file, error)
    })
    const fresh = { url, size, modifiedMs, lines: 0 }
    const kept = await readPlace(nameOf(file))
    const holds = kept?.url === url && kept.size === size && kept.modifiedMs === modifiedMs
    return new Bookmark(nameOf(file), holds ? kept : fresh)
  }

  /** How many lines are done. */
  get lines(): number {
    return this.#place.lines
  }

  async move(lines: number): Promise<void> {
    this.#place = { ...this.#place, lines }
    const next = `${this.#file}.next`
    await writeFile(next, `${JSON.stringify(this.#place)}\n`)
    await rename(next, this.#file)
  }

  remove(): Promise<void> {
    return rm(this.#file, { force: true })
  }
}

function nameOf(file: string): string {
  return `${file}.imported`
}

/** One that is missing or unreadable only means to begin at the start: a merge may come twice. */
async function readPlace(name: string): Promise<Place | undefined> {
  const text = await readFile(name, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  try {
    const place = JSON.parse(text) as Place | null
    return Number.isSafeInteger(place?.lines) ? (place as Place) : undefined
  } catch {
    return undefined
  }
}
