import type { Command } from 'commander'
import { createReadStream } from 'node:fs'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { SkerryError } from '../index.ts'
import { Bookmark } from './bookmark.ts'
import { fileFailure } from './file.ts'
import { linesOf } from './lines.ts'
import { Progress } from './progress.ts'
import { addRemoteFlags, Remote, type RemoteFlags, withQuery } from './remote.ts'

interface ImportFlags extends RemoteFlags {
  readonly key?: readonly string[]
}

/** Lines for one request. */
interface Batch {
  readonly lines: readonly string[]
  /** How many lines of the file are in this batch or before it. */
  readonly upTo: number
}

/** What the node answers to a batch. */
interface Merged {
  readonly entries: number
  readonly changed: number
}

/** What one request carries: so many lines, and so many characters unless a single line has more. */
const BATCH_LINES = 1000
const BATCH_CHARACTERS = 1024 * 1024

export function addImport(program: Command): void {
  addRemoteFlags(program.command('import'))
    .description('merge entries from a file into a node, last write wins')
    .argument('<file>', 'what export wrote; compressed if it ends in .gz; - for stdin')
    .option('--key <path...>', 'only what these paths or globs cover')
    .action(importFrom)
}

async function importFrom(file: string, flags: ImportFlags): Promise<void> {
  const remote = new Remote(flags)
  const bookmark = file === '-' ? undefined : await Bookmark.of(file, remote.url)
  const target = withQuery('/_skerry/import', { key: flags.key })
  const progress = new Progress('lines', undefined)
  let [entries, changed] = [0, 0]
  try {
    for await (const { lines, upTo } of batchesOf(file, bookmark?.lines ?? 0)) {
      const merged = await send(remote, target, lines).catch((error: unknown) => {
        throw located(error, `lines ${upTo - lines.length + 1} to ${upTo} of ${file}`)
      })
      entries += merged.entries
      changed += merged.changed
      await bookmark?.move(upTo)
      progress.reach(upTo)
    }
  } finally {
    progress.end()
  }
  await bookmark?.remove()
  process.stderr.write(`${entries} entries imported, ${changed} of them were news\n`)
}

async function send(remote: Remote, target: string, lines: readonly string[]): Promise<Merged> {
  const response = await remote.ask('POST', target, { body: lines.join('\n') })
  return (await response.json()) as Merged
}

/** Says where in the file the request was that failed. */
function located(error: unknown, where: string): unknown {
  if (!(error instanceof SkerryError)) return error
  return new SkerryError(error.code, error.status, `${where}: ${error.message}`)
}

/** The lines of the file behind those that are done, in batches. */
async function* batchesOf(file: string, done: number): AsyncGenerator<Batch> {
  let lines: string[] = []
  let characters = 0
  let upTo = 0
  for await (const line of linesOf(textsOf(file), file)) {
    upTo++
    if (upTo <= done) continue
    if (lines.length === BATCH_LINES || characters + line.length > BATCH_CHARACTERS) {
      if (lines.length > 0) yield { lines, upTo: upTo - 1 }
      lines = []
      characters = 0
    }
    lines.push(line)
    characters += line.length
  }
  if (lines.length > 0) yield { lines, upTo }
}

async function* textsOf(file: string): AsyncGenerator<string> {
  const bytes = file === '-' ? process.stdin : createReadStream(file)
  // A fault of either stream ends the text, and so is told below.
  const plain: Readable = file.endsWith('.gz')
    ? pipeline(bytes, createGunzip(), () => undefined)
    : bytes
  try {
    yield* plain.setEncoding('utf8') as AsyncIterable<string>
  } catch (error) {
    throw fileFailure(file, error)
  }
}
