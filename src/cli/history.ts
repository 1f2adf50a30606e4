import type { Command } from 'commander'
import { jsonElements, jsonMembers } from '../index.ts'
import type { ServerOptions } from '../index.ts'
import { addRemoteFlags, Remote, type RemoteFlags, targetOf, withQuery } from './remote.ts'
import type { Setting, Settings } from './setting.ts'
import { table } from './table.ts'

/** The option of `serve` that says what of the past to keep. */
export const historySettings: readonly Setting[] = [
  {
    name: 'history',
    type: 'strings',
    value: '<path=n>',
    description: 'how many earlier versions to keep, such as docs/*=10; give it again for more',
    expected: 'a path or glob, =, and a whole number from 0 to 1000; or a list of these',
    limits: { pattern: '^[^=]+=[0-9]{1,4}$' },
  },
]

/** What of the past to keep, by path or glob. */
export function historyOf({ history }: Settings): ServerOptions['history'] {
  if (history === undefined) return undefined
  return Object.fromEntries(
    history.map((text) => {
      const at = text.indexOf('=')
      return [text.slice(0, at), Number(text.slice(at + 1))]
    }),
  )
}

interface HistoryFlags extends RemoteFlags {
  readonly limit?: string
  readonly before?: string
  readonly restore?: string
  readonly clear?: true
  readonly json?: true
}

/** The most characters of data that a row shows. */
const SHOWN_CHARACTERS = 60

/** Adds the command that shows what paths held, and brings it back. */
export function addHistory(program: Command): void {
  addRemoteFlags(program.command('history'))
    .description('show what a path held before, newest first, or write one version again')
    .argument('<path>', 'such as docs/plan')
    .option('--limit <n>', 'at most so many versions; by default 100')
    .option('--before <place>', 'go on where a page ended')
    .option('--restore <version>', 'write the data of this version again')
    .option('--clear', 'let go of what is kept of the path, or of all that a glob matches')
    .option('--json', 'print what the node answers, as it is')
    .action(history)
}

async function history(path: string, flags: HistoryFlags): Promise<void> {
  const { limit, before, restore, clear, json } = flags
  const target = `/_skerry/history${targetOf(path)}`
  const remote = new Remote(flags)
  const ask = async (...asked: Parameters<Remote['ask']>): Promise<string> =>
    (await remote.ask(...asked)).text()
  if (restore !== undefined) {
    const answer = await ask('POST', target, { body: JSON.stringify({ restore }) })
    return print(json === true ? answer : path)
  }
  if (clear === true) {
    const answer = await ask('DELETE', target)
    return print(json === true ? answer : clearedLine(answer))
  }
  const answer = await ask('GET', withQuery(target, { limit, before }))
  if (json === true) return print(answer)
  const { next } = JSON.parse(answer) as { next?: number }
  const rows = jsonElements(jsonMembers(answer).get('versions')!).map(versionRow)
  if (rows.length === 0) return
  print(table([['version', 'kind', 'written', 'by', 'data'], ...rows]).join('\n'))
  if (next !== undefined) print(`There is more: --before ${next}`)
}

function clearedLine(answer: string): string {
  const { cleared } = JSON.parse(answer) as { cleared: number }
  return cleared === 1 ? '1 history cleared.' : `${cleared} histories cleared.`
}

/** A version as people read it; the data is the very text, cut where it is long. */
function versionRow(text: string): string[] {
  const members = jsonMembers(text)
  const [version, kind, origin] = ['version', 'kind', 'origin'].map(
    (name) => JSON.parse(members.get(name)!) as string,
  )
  const stamps = [members.get('created')!, members.get('updated')!].map(BigInt)
  const newest = stamps[0]! > stamps[1]! ? stamps[0]! : stamps[1]!
  const written = new Date(Number(newest / 1_000_000n)).toISOString()
  const data = members.get('deleted') === 'true' ? 'deleted' : excerptOf(members.get('data')!)
  return [version!, kind!, written, origin === '' ? '-' : origin!, data]
}

function excerptOf(data: string): string {
  const line = data.replace(/\s+/g, ' ')
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS - 1)}…` : line
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
