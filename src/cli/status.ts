import type { Command } from 'commander'
import type { NodeStatus } from '../index.ts'
import { addRemoteFlags, Remote, type RemoteFlags } from './remote.ts'
import { table } from './table.ts'

interface StatusFlags extends RemoteFlags {
  readonly json?: true
}

type SyncStatus = NodeStatus['sync']

export function addStatus(program: Command): void {
  addRemoteFlags(program.command('status'))
    .description('show how a node is and how its links are')
    .option('--json', 'print what GET /_skerry/status answers, as it is')
    .action(showStatus)
}

async function showStatus(flags: StatusFlags): Promise<void> {
  const text = await (await new Remote(flags).ask('GET', '/_skerry/status')).text()
  if (flags.json === true) process.stdout.write(`${text}\n`)
  else process.stdout.write(`${statusLines(JSON.parse(text) as NodeStatus).join('\n')}\n`)
}

/** The status as people read it. */
function statusLines(status: NodeStatus): string[] {
  const { id, url, ready, durable, seq, uptimeMs, sync, pivot } = status
  const state = ready ? 'ready' : 'not ready'
  const disk = durable ? 'on disk' : 'in memory only'
  return [
    ...table([
      ['node', `${id} at ${url}`],
      ['state', `${state}, up ${uptime(uptimeMs)}, data ${disk}, ${seq} changes so far`],
      ['shares', sync.keys.join(' ')],
      ...decisionRows(sync),
    ]),
    ...table([...sync.links.map(linkRow), ...sync.waiting.map(waitingRow), ...pivotRows(pivot)]),
    ...table(sync.peers.filter(({ linked }) => !linked).map(knownRow)),
  ]
}

/** What somebody may have to look into; a row each, and none if there is nothing. */
function decisionRows({ withheld, conflicts }: SyncStatus): string[][] {
  const rows: string[][] = []
  if (withheld > 0) rows.push(['withheld', `${withheld} versions; see skerry withheld`])
  if (conflicts > 0) rows.push(['conflicts', `${conflicts} versions overruled unseen`])
  return rows
}

function knownRow({ peer, durable, forgotten, sinceMs }: SyncStatus['peers'][number]): string[] {
  const since = new Date(sinceMs).toISOString()
  const state = forgotten ? `forgotten on ${since}` : `last let in on ${since}`
  return ['known', peer, durable ? state : `${state}, in memory only`]
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

type PivotStatus = NodeStatus['pivot']

/** Nodes and leaders of the pivot protocol. */
function pivotRows({ nodes, leaders }: PivotStatus): string[][] {
  return [
    ...nodes.map(({ address, healthy, compatible, reason, lag }) => {
      const behind = lag.reduce((sum, { entries }) => sum + entries, 0)
      const state = healthy && compatible ? `healthy, lacks ${behind} changes` : reason
      return ['pivot node', address, state]
    }),
    ...leaders.filter(({ active }) => active).flatMap(leaderRows),
  ]
}

function leaderRows({ leader, keys, lastError }: PivotStatus['leaders'][number]): string[][] {
  return keys.map(({ key, lag, rewound, undeliverable }) => {
    const facts = [`${key}: ${lag.entries} changes to send`]
    if (rewound) facts.push('the leader lost entries and gets them again')
    if (undeliverable.count > 0) facts.push(`${undeliverable.count} undeliverable`)
    if (lastError !== null) facts.push(lastError)
    return ['pivot leader', leader, facts.join(', ')]
  })
}
