import type { Command } from 'commander'
import { text as readAll } from 'node:stream/consumers'
import { exportLines, type IntervalStatus, type RepairReport } from '../events.ts'
import { skerryError } from '../index.ts'
import { EventProgress } from './event-progress.ts'
import { fileFailure } from './file.ts'
import { follow, print } from './output.ts'
import { addRemoteFlags, answerLines, Remote, type RemoteFlags, withQuery } from './remote.ts'
import { table } from './table.ts'

interface EventFlags extends RemoteFlags {
  readonly json?: true
}

interface RangeFlags extends EventFlags {
  readonly from?: string
  readonly to?: string
}

const EVENTS = '/_skerry/events'

export function addEvents(program: Command): void {
  const group = program.command('events').description('put, read and look after events')
  const add = (name: string, description: string): Command =>
    addRemoteFlags(group.command(name).description(description)).option('--json', 'print JSON')
  const addRange = (name: string, description: string): Command =>
    add(name, description)
      .option('--from <key>', 'first key, inclusive')
      .option('--to <key>', 'key before which to stop')

  add('put [json]', 'store an event, given as JSON or on stdin, and print its key')
    .option('--level <level>', 'ONE, QUORUM, ALL, LOCAL_QUORUM or EACH_QUORUM')
    .option('--key <key>', 'instead of a new one: the same event again changes nothing')
    .action(put)
  add('get <key>', 'print an event').action(get)
  addRange('scan', 'print the events of the cluster in key order, a line each').action(scan)
  add('tail', 'print events as they come, a line each, until Ctrl-C')
    .option('--from <key>', 'begin with what there is from this key on')
    .action(tail)
  add('intervals', "list the intervals of the node's log").action(intervals)
  addRange(
    'export <file>',
    'write events to a file in key order; gzipped if it ends in .gz',
  ).action(exportTo)
  addRange('repair', 'copy what is missing somewhere, and say what was found').action(repair)
  add('under-replicated', 'list the events that lack replicas, and why').action(
    (flags: EventFlags) => follow((signal) => lines(flags, '/under-replicated', signal)),
  )
}

interface PutFlags extends EventFlags {
  readonly level?: string
  readonly key?: string
}

async function put(json: string | undefined, flags: PutFlags): Promise<void> {
  const body = json === undefined || json === '-' ? await readAll(process.stdin) : json
  const { level, key } = flags
  const target = withQuery(EVENTS, { level, key })
  const answer = await (await new Remote(flags).ask('POST', target, { body })).text()
  await print(flags.json === true ? answer : (JSON.parse(answer) as { key: string }).key)
}

async function get(key: string, flags: EventFlags): Promise<void> {
  const target = `${EVENTS}/${encodeURIComponent(key)}`
  await print(await (await new Remote(flags).ask('GET', target)).text())
}

async function scan(flags: RangeFlags): Promise<void> {
  await follow((signal) => lines(flags, inRange('', flags), signal))
}

async function tail(flags: RangeFlags): Promise<void> {
  await follow((signal) => lines(flags, inRange('/tail', flags), signal))
}

function lines(flags: EventFlags, target: string, signal?: AbortSignal): AsyncGenerator<string> {
  return answerLines(new Remote(flags), 'GET', `${EVENTS}${target}`, signal)
}

async function intervals(flags: EventFlags): Promise<void> {
  const text = await (await new Remote(flags).ask('GET', `${EVENTS}/intervals`)).text()
  if (flags.json === true) return print(text)
  const rows = (JSON.parse(text) as IntervalStatus[]).map(({ from, below, state }) => [
    ...[from.slice(0, MINUTE), below.slice(0, MINUTE), state],
  ])
  for (const line of table(rows)) await print(line)
}

/** `20130927T0052`: intervals begin and end with a minute. */
const MINUTE = 13

/** Lines that go to the file in one piece. */
const BATCH = 1_000

/** The file appears under its name once it is whole. */
async function exportTo(file: string, flags: RangeFlags): Promise<void> {
  const progress = new EventProgress(flags)
  let events = 0
  async function* batches() {
    let batch: string[] = []
    for await (const line of lines(flags, inRange('', flags))) {
      batch.push(line)
      if (batch.length < BATCH) continue
      yield batch
      events += batch.length
      progress.update(events, keyOf(line))
      batch = []
    }
    if (batch.length > 0) yield batch
  }
  try {
    const report = await exportLines(batches(), file)
    const said = `${report.events} events in ${file}, sha256 of the lines ${report.sha256}`
    await print(flags.json === true ? JSON.stringify({ file, ...report }) : said)
  } catch (error) {
    throw fileFailure(file, error)
  } finally {
    progress.stop()
  }
}

function keyOf(line: string): string {
  return (JSON.parse(line) as { key: string }).key
}

async function repair(flags: RangeFlags): Promise<void> {
  const { from, to } = flags
  const target = withQuery(`${EVENTS}/repair`, { from, to, progress: '1' })
  const progress = new EventProgress(flags)
  let report: RepairReport | undefined
  try {
    for await (const line of answerLines(new Remote(flags), 'POST', target)) {
      const said = JSON.parse(line) as RepairLine
      if ('report' in said) report = said.report
      else if ('seen' in said) progress.update(said.seen, said.key)
      else throw skerryError('NODE_UNREACHABLE', flags.url, said.message)
    }
  } finally {
    progress.stop()
  }
  if (!report) throw skerryError('NODE_UNREACHABLE', flags.url, 'the answer broke off')
  await tellReport(report, flags)
  if (report.missing + report.conflicts > 0) {
    throw skerryError('EVENTS_MISSING', report.missing, report.conflicts)
  }
}

type RepairLine =
  | { readonly seen: number; readonly key: string }
  | { readonly report: RepairReport }
  | { readonly code: string; readonly message: string }

async function tellReport(report: RepairReport, { json }: EventFlags): Promise<void> {
  if (json === true) return print(JSON.stringify(report))
  const { events, copied, missing, unconfirmed, conflicts, unreachable } = report
  const rows = [
    ['events seen', `${events}`],
    ['copies made', `${copied}`],
    ['events that lack replicas', `${missing}`],
    ['events unconfirmed', `${unconfirmed}`],
    ['events that differ', `${conflicts}`],
    ['nodes out of reach', unreachable.join(', ') || 'none'],
  ]
  for (const line of table(rows)) await print(line)
}

function inRange(target: string, { from, to }: RangeFlags): string {
  return withQuery(target, { from, to })
}
