import { type Command, Option } from 'commander'
import { type NodeStatus, skerryError } from '../index.ts'
import { table } from './table.ts'

interface StatusFlags {
  readonly url: string
  readonly token?: string
  readonly json?: true
}

type SyncStatus = NodeStatus['sync']

/** A node that takes longer to say how it is, is as good as gone. */
const PATIENCE_MS = 10_000

export function addStatus(program: Command): void {
  const url = new Option('--url <url>', 'the node to ask').env('SKERRY_URL')
  program
    .command('status')
    .description('show how a node is and how its links are')
    .addOption(url.default('http://127.0.0.1:8800'))
    .addOption(new Option('--token <token>', 'the token to show it').env('SKERRY_TOKEN'))
    .option('--json', 'print what GET /_skerry/status answers, as it is')
    .action((flags: StatusFlags) => showStatus(flags))
}

async function showStatus({ url, token, json }: StatusFlags): Promise<void> {
  const text = await ask(url, token)
  if (json === true) process.stdout.write(`${text}\n`)
  else process.stdout.write(`${statusLines(JSON.parse(text) as NodeStatus).join('\n')}\n`)
}

async function ask(url: string, token: string | undefined): Promise<string> {
  if (!URL.canParse('/_skerry/status', url)) {
    throw skerryError('OPTION_INVALID', '--url', url, 'it must be an http:// or https:// address')
  }
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {}
  const response = await fetch(new URL('/_skerry/status', url), { signal, headers }).catch(
    (error: Error) => {
      throw skerryError('NODE_UNREACHABLE', url, whyOf(error))
    },
  )
  const text = await response.text()
  if (response.ok) return text
  throw skerryError('NODE_UNREACHABLE', url, `it answered ${response.status}: ${text}`)
}

/** `fetch` says "fetch failed" and keeps the reason as its cause. */
function whyOf(error: Error): string {
  return error.cause instanceof Error ? error.cause.message || String(error.cause) : error.message
}

/** The status as people read it. */
function statusLines({ id, url, ready, durable, seq, uptimeMs, sync }: NodeStatus): string[] {
  const state = ready ? 'ready' : 'not ready'
  const disk = durable ? 'on disk' : 'in memory only'
  return [
    ...table([
      ['node', `${id} at ${url}`],
      ['state', `${state}, up ${uptime(uptimeMs)}, data ${disk}, ${seq} changes so far`],
      ['shares', sync.keys.join(' ')],
    ]),
    ...table([...sync.links.map(linkRow), ...sync.waiting.map(waitingRow)]),
  ]
}

function linkRow(link: SyncStatus['links'][number]): string[] {
  const { peer = 'unknown', url, leads, open, lag, repairing, refused, clockOffsetMs } = link
  const facts = [open ? 'open' : 'greeting', lag === 0 ? 'has all' : `lacks ${lag} changes`]
  if (repairing !== undefined) {
    facts.push(`repairing ${repairing.key}: ${repairing.done} of ${repairing.total}`)
  }
  if (refused.count > 0) facts.push(`${refused.count} entries refused`)
  if (clockOffsetMs !== undefined) facts.push(`clock ${Math.round(clockOffsetMs)} ms off`)
  return [
    leads ? 'leader' : 'peer',
    `${peer}${url === undefined ? '' : ` at ${url}`}`,
    facts.join(', '),
  ]
}

function waitingRow({ url, leads, failures, lastError }: SyncStatus['waiting'][number]): string[] {
  const why = lastError === undefined ? '' : `, ${lastError}`
  return [leads ? 'leader' : 'peer', url, `no link, ${failures} attempts failed${why}`]
}

/** `93784000` → `1 d 2 h`: the two largest units. */
function uptime(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const units: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ]
  const first = units.findIndex(([n]) => n > 0)
  const shown = first === -1 ? units.slice(-1) : units.slice(first, first + 2)
  return shown.map(([n, unit]) => `${n} ${unit}`).join(' ')
}
