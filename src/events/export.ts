import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rename } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { StoredText } from './reader.ts'

/** What an export wrote. */
export interface ExportReport {
  readonly events: number
  /** SHA-256 of the lines before compression: the same whenever the same events are exported. */
  readonly sha256: string
}

/** How to export. */
export interface ExportOptions {
  /** Called now and then with the number of events written so far. */
  readonly onProgress?: ((events: number) => void) | undefined
}

/**
 * Writes events as NDJSON, one `{"key":…,"event":…}` a line in key order, gzipped if the file name
 * ends in `.gz`. The file appears under its name only once it is whole.
 *
 * @param batches events in key order, as `coordinator.scanTexts` yields them
 * @example
 * log.on('intervalClosed', ({ from, below }) =>
 *   exportEvents(coordinator.scanTexts({ from, to: below }), `${from}.ndjson.gz`))
 */
export async function exportEvents(
  batches: AsyncIterable<readonly StoredText[]>,
  file: string,
  options: ExportOptions = {},
): Promise<ExportReport> {
  async function* lines() {
    for await (const batch of batches) yield batch.map((event) => eventLine(event).trimEnd())
  }
  return exportLines(lines(), file, options)
}

/**
 * The same for events that are lines of NDJSON already, as a node's `GET /_skerry/events` sends them.
 * @param batches lines without their line breaks, in key order
 */
export async function exportLines(
  batches: AsyncIterable<readonly string[]>,
  file: string,
  options: ExportOptions = {},
): Promise<ExportReport> {
  const digest = createHash('sha256')
  let events = 0
  async function* texts() {
    for await (const batch of batches) {
      const text = batch.map((line) => `${line}\n`).join('')
      digest.update(text)
      events += batch.length
      options.onProgress?.(events)
      yield text
    }
  }
  const part = `${file}.part`
  const steps = file.endsWith('.gz') ? [createGzip()] : []
  await pipeline([Readable.from(texts()), ...steps, createWriteStream(part)])
  await rename(part, file)
  return { events, sha256: digest.digest('hex') }
}

/** One event as a line of NDJSON. */
export function eventLine({ key, text }: StoredText): string {
  return `{"key":${JSON.stringify(key)},"event":${text}}\n`
}
