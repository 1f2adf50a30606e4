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
  const { id, version, url, ready, durable, seq, uptimeMs, sync, pivot } = status
  const state = ready ? 'ready' : 'not ready'
  const disk = durable ? 'on disk' : 'in memory only'
  return [
    ...table([
      ['node', `${id} at ${url}, Skerry ${version}`],
      ['state', `${state}, up ${uptime(uptimeMs)}, data ${disk}, ${seq} changes so far`],
      ['shares', sync.keys.join(' ')],
      ...decisionRows(sync),
    ]),
    ...table([
      ...sync.links.map((link) => linkRow(link, sync)),
      ...sync.waiting.map(waitingRow),
      ...pivotRows(pivot),
    ]),
    ...table(sync.peers.filter(({ linked }) => !linked).map(knownRow)),
    ...lagLines(status),
  ]
}

/** What somebody may have to look into; a row each, and none if there is nothing. */
function decisionRows({ withheld, conflicts }: SyncStatus): string[][] {
  const rows: string[][] = []
  if (withheld > 0) rows.push(['withheld', `${withheld} versions; see skerry withheld`])
  if (conflicts > 0) rows.push(['conflicts', `${conflicts} versions overruled unseen`])
  return rows
}

function knownRow(known: SyncStatus['peers'][number]): string[] {
  const { peer, durable, forgotten, sinceMs, lag } = known
  const since = new Date(sinceMs).toISOString()
  const facts = [forgotten ? `forgotten on ${since}` : `last let in on ${since}`]
  if (!durable) facts.push('in memory only')
  if (lag.length > 0) facts.push(lagFact(lag))
  return ['known', peer, facts.join(', ')]
}

function linkRow(link: SyncStatus['links'][number], { peers }: SyncStatus): string[] {
  const { peer = 'unknown', url, leads, open, repairing, refused, clockOffsetMs } = link
  const known = peers.find((one) => one.peer === link.peer)
  const facts = [open ? 'open' : 'greeting', lagFact(known?.lag ?? [])]
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

type Lag = SyncStatus['peers'][number]['lag'][number]

/** The most rows that tell of single keys; `--json` tells all. */
const MAX_LAG_ROWS = 100

/** What a peer lacks, all its keys together. */
function lagFact(lag: readonly Lag[]): string {
  const entries = lag.reduce((sum, one) => sum + one.entries, 0)
  const more = lag.some((one) => one.more)
  if (entries === 0) return more ? 'lacks what was not counted yet' : 'has all'
  const seconds = Math.max(...lag.map((one) => one.seconds))
  return `lacks ${lagFigures({ entries, seconds, more })}`
}

function lagFigures({ entries, seconds, more }: Omit<Lag, 'key'>): string {
  const changes =
    entries === 1 && !more ? '1 change' : `${entries}${more ? ' or more' : ''} changes`
  return `${changes}, the oldest written ${uptime(seconds * 1000)} ago`
}

/** The keys that somebody lacks something of, where that is one of several. */
function lagLines({ sync, pivot }: NodeStatus): string[] {
  const peers = sync.peers.map(({ peer, lag }) => ({ peer, lag }))
  const nodes = pivot.nodes.map(({ address, lag }) => ({ peer: address, lag }))
  const rows = [...peers, ...nodes]
    .filter(({ lag }) => lag.length > 1)
    .flatMap(({ peer, lag }) => {
      const lacking = lag.filter(({ entries }) => entries > 0)
      return lacking.map((one) => [`${peer} lacks`, one.key, lagFigures(one)])
    })
  const lines = table(rows.slice(0, MAX_LAG_ROWS))
  if (rows.length > MAX_LAG_ROWS) lines.push(`and ${rows.length - MAX_LAG_ROWS} more; see --json`)
  return lines
}

type PivotStatus = NodeStatus['pivot']

/** Nodes and leaders of the pivot protocol. */
function pivotRows({ nodes, leaders }: PivotStatus): string[][] {
  return [
    ...nodes.map(({ address, healthy, compatible, reason, lag, lastCheck }) => {
      const state = healthy && compatible ? 'healthy' : reason
      const checked = lastCheck === null ? '' : `, checked on ${lastCheck}`
      return ['pivot node', address, `${state}, ${lagFact(lag)}${checked}`]
    }),
    ...leaders
      .filter(({ active, keys }) => active || keys.some(({ lag }) => lag.entries > 0))
      .flatMap(leaderRows),
  ]
}

function leaderRows({
  leader,
  keys,
  lastError,
  lastCheck,
}: PivotStatus['leaders'][number]): string[][] {
  return keys.map(({ key, lag, rewound, undeliverable }) => {
    const facts = [`${key}: ${lagFact([lag])}`]
    if (rewound) facts.push('the leader lost entries and gets them again')
    if (undeliverable.count > 0) facts.push(`${undeliverable.count} undeliverable`)
    if (lastError !== null) facts.push(lastError)
    if (lastCheck !== null) facts.push(`checked on ${lastCheck}`)
    return ['pivot leader', leader, facts.join(', ')]
  })
}
