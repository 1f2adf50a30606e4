import { type Command, InvalidArgumentError } from 'commander'
import { type ClusterControl, nodeControl, registryControl } from './cluster/control.ts'
import type { MemberRow } from './cluster/control.ts'
import { follow, print } from './output.ts'
import { addRemoteFlags, type RemoteFlags } from './remote.ts'
import { table } from './table.ts'

interface ClusterFlags extends RemoteFlags {
  readonly json?: true
  readonly registry?: string
  readonly name?: string
  readonly slots?: number
}

interface JoinFlags extends ClusterFlags {
  readonly path?: string
  readonly zone?: string
  readonly region?: string
  readonly weight?: number
}

export function addCluster(program: Command): void {
  const group = program
    .command('cluster')
    .description('show and change the members of a cluster, by a node or by its registry')
  const add = (name: string, description: string): Command =>
    addRemoteFlags(group.command(name).description(description))
      .option('--json', 'print JSON')
      .option('--registry <url>', 'ask the registry instead: redis://…, or http://… of its node')
      .option('--name <name>', 'name of the cluster in the registry')
      .option('--slots <number>', 'number of slots of the cluster in the registry', whole)

  add('members', 'list the members').action(act(showMembers))
  add('join [id] [address]', 'add a member at host:port, or have the node asked join again')
    .option('--path <path>', 'where its health is asked, by default /readyz')
    .option('--zone <zone>')
    .option('--region <region>')
    .option('--weight <number>', 'its share of the work compared with others', Number)
    .action(actWith((control, flags: JoinFlags, id, address) => join(control, flags, id, address)))
  add('leave [id]', 'remove a member, by default the node asked').action(
    actWith(async (control, flags, id) => tell(flags, { left: await control.leave(id) })),
  )
  add('drain [id]', 'move all work away from a member, by default the node asked').action(
    actWith(async (control, flags, id) => tell(flags, { drained: await control.drain(id) })),
  )
  add('owner <key>', 'show whose work a key is')
    .option('--count <number>', 'show so many nodes for it', whole, 1)
    .action(
      actWith((control, flags: ClusterFlags & { count: number }, key) =>
        showOwner(control, flags, key!),
      ),
    )
  add('keys <id>', 'list the keys distributed to a member').action(
    actWith((control, flags, id) => showKeys(control, flags, id!)),
  )
  add('events', 'follow what happens, a line of JSON each').action(
    actWith((control) => follow((signal) => control.events(signal))),
  )
}

/** A command without arguments: commander hands over flags alone. */
function act(command: (control: ClusterControl, flags: ClusterFlags) => Promise<void>) {
  return (flags: ClusterFlags) => using(flags, (control) => command(control, flags))
}

/** A command with one or two arguments, flags behind them; `events` has none. */
function actWith<F extends ClusterFlags>(
  command: (control: ClusterControl, flags: F, first?: string, second?: string) => Promise<void>,
) {
  return (...given: unknown[]) => {
    const parts = given.slice(0, -1)
    const flags = parts.pop() as F
    const [first, second] = parts as (string | undefined)[]
    return using(flags, (control) => command(control, flags, first, second))
  }
}

async function using(
  flags: ClusterFlags,
  command: (control: ClusterControl) => Promise<void>,
): Promise<void> {
  const { registry } = flags
  const control =
    registry === undefined ? nodeControl(flags) : await registryControl(registry, flags)
  try {
    await command(control)
  } finally {
    await control.close()
  }
}

async function showMembers(control: ClusterControl, { json }: ClusterFlags): Promise<void> {
  const members = await control.members()
  if (json === true) return print(JSON.stringify(members))
  const rows = members.map((member) => [
    ...[member.id, `${member.address}:${member.port}`, stateOf(member)],
    ...[`${member.slots} slots`, `weight ${member.weight}`, placeOf(member)],
  ])
  for (const line of table(rows)) await print(line)
}

function stateOf({ status, ready, draining, failures }: MemberRow): string {
  const facts: string[] = [status]
  if (!ready) facts.push('not ready')
  if (draining) facts.push('draining')
  if (failures > 0) facts.push(`${failures} misses`)
  return facts.join(', ')
}

function placeOf({ zone, region }: MemberRow): string {
  return [zone && `zone ${zone}`, region && `region ${region}`].filter(Boolean).join(', ')
}

async function join(
  control: ClusterControl,
  flags: JoinFlags,
  id: string | undefined,
  at: string | undefined,
): Promise<void> {
  if (id === undefined || at === undefined) {
    return tell(flags, { joined: (await control.join()).id })
  }
  const [, address = at, port = ''] = /^(.*):(\d+)$/.exec(at) ?? []
  const { path = '/readyz', zone, region, weight } = flags
  const member = { id, address, port: Number(port), path, zone, region, weight }
  await tell(flags, { joined: (await control.join(member)).id })
}

async function showOwner(
  control: ClusterControl,
  { json, count }: ClusterFlags & { readonly count: number },
  key: string,
): Promise<void> {
  const owner = await control.owner(key, count)
  if (json === true) return print(JSON.stringify(owner))
  for (const id of owner.nodes) await print(id)
}

async function showKeys(control: ClusterControl, { json }: ClusterFlags, id: string) {
  const keys = await control.keys(id)
  if (json === true) return print(JSON.stringify({ id, keys }))
  for (const key of keys) await print(key)
}

/** `{ left: 'n1' }` → "n1 left". */
async function tell({ json }: ClusterFlags, done: Readonly<Record<string, string>>): Promise<void> {
  const [[verb, id] = []] = Object.entries(done)
  await print(json === true ? JSON.stringify(done) : `${id} ${verb}`)
}

function whole(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('give a whole number from 1')
}
