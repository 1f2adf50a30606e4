import type { Command } from 'commander'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { TOTAL_HEADER } from '../index.ts'
import { fileFailure } from './file.ts'
import { Progress } from './progress.ts'
import { addRemoteFlags, Remote, type RemoteFlags, withQuery } from './remote.ts'

interface ExportFlags extends RemoteFlags {
  readonly key?: readonly string[]
}

const NEWLINE = 10

export function addExport(program: Command): void {
  addRemoteFlags(program.command('export'))
    .description('write entries to a file, one a line, with their exact times')
    .argument('<file>', 'NDJSON, compressed if it ends in .gz; - for stdout')
    .option('--key <path...>', 'only what these paths or globs cover')
    .action(exportTo)
}

async function exportTo(file: string, flags: ExportFlags): Promise<void> {
  const source = new Export(new Remote(flags), flags.key ?? [undefined])
  if (file === '-') await pipeline(source.pieces(), process.stdout, { end: false })
  else await writeWhole(file, source)
  process.stderr.write(`${source.entries} entries exported\n`)
}

/** Written under another name until it is whole: a file of that name is a whole export. */
async function writeWhole(file: string, source: Export): Promise<void> {
  const part = `${file}.part`
  const target = createWriteStream(part, { flush: true })
  try {
    if (file.endsWith('.gz')) await pipeline(source.pieces(), createGzip(), target)
    else await pipeline(source.pieces(), target)
    await rename(part, file)
  } catch (error) {
    await rm(part, { force: true })
    throw fileFailure(file, error)
  }
}

/** What the node sends, key after key, counted as it passes. */
class Export {
  entries = 0
  readonly #remote: Remote
  readonly #keys: readonly (string | undefined)[]

  constructor(remote: Remote, keys: readonly (string | undefined)[]) {
    this.#remote = remote
    this.#keys = keys
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    for (const key of this.#keys) {
      const target = withQuery('/_skerry/export', { key })
      const response = await this.#remote.ask('GET', target, { unhurried: true })
      const total = Number(response.headers.get(TOTAL_HEADER))
      const progress = new Progress('entries', this.entries + total)
      try {
        for await (const piece of this.#remote.bodyOf(response)) {
          for (const byte of piece) if (byte === NEWLINE) this.entries++
          progress.reach(this.entries)
          yield piece
        }
      } finally {
        progress.end()
      }
    }
  }
}
