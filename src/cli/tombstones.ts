import type { Command } from 'commander'
import { jsonElements, jsonMembers } from '../index.ts'
import { addRemoteFlags, Remote, type RemoteFlags } from './remote.ts'

interface WithheldFlags extends RemoteFlags {
  readonly release?: readonly string[]
  readonly drop?: readonly string[]
  readonly json?: true
}

/** Adds the commands by which operators say what no node can know by itself. */
export function addTombstones(program: Command): void {
  addRemoteFlags(program.command('forget'))
    .description("say that a node won't come back, so that no tombstone waits for it")
    .argument('<node>', 'its id, as skerry status lists it')
    .action(forget)
  addRemoteFlags(program.command('withheld'))
    .description('list versions that may undo a forgotten delete, or decide on them')
    .option('--release <path...>', 'take these in: they are there again, on all nodes')
    .option('--drop <path...>', 'delete these, on all nodes')
    .option('--json', 'print what the node answers, as it is')
    .action(withheld)
}

async function forget(node: string, flags: RemoteFlags): Promise<void> {
  await new Remote(flags).ask('POST', '/_skerry/forget', { body: JSON.stringify({ node }) })
  process.stdout.write(`${node} is forgotten. Nothing waits for it any more.\n`)
}

async function withheld(flags: WithheldFlags): Promise<void> {
  const { release, drop, json } = flags
  const decides = release !== undefined || drop !== undefined
  const asked = decides ? { body: JSON.stringify({ release, drop }) } : {}
  const method = decides ? 'POST' : 'GET'
  const answer = await (await new Remote(flags).ask(method, '/_skerry/withheld', asked)).text()
  if (json === true) process.stdout.write(`${answer}\n`)
  else if (decides) process.stdout.write(`${decisionLine(answer)}\n`)
  else process.stdout.write(withheldLines(answer))
}

function decisionLine(answer: string): string {
  const { released, dropped } = JSON.parse(answer) as { released: number; dropped: number }
  return `${released} released, ${dropped} dropped.`
}

/** A line for each version: its path, the peer that it came from, and the very text of its data. */
function withheldLines(answer: string): string {
  const list = jsonMembers(answer).get('withheld') ?? '[]'
  const lines = jsonElements(list).map((version) => {
    const members = jsonMembers(version)
    const [path, peer] = ['path', 'peer'].map((name) => JSON.parse(members.get(name)!) as string)
    return `${path}\t${peer}\t${members.get('data')}\n`
  })
  return lines.join('')
}
