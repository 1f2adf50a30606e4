import type { Command } from 'commander'
import { text as textOf } from 'node:stream/consumers'
import { jsonElements, jsonMembers, skerryError } from '../index.ts'
import {
  addRemoteFlags,
  type Asked,
  Remote,
  type RemoteFlags,
  targetOf,
  withQuery,
} from './remote.ts'

interface DataFlags extends RemoteFlags {
  readonly json?: true
}

interface ListFlags extends DataFlags {
  readonly limit?: string
  readonly from?: string
  readonly to?: string
  readonly order?: string
}

interface WriteFlags extends DataFlags {
  readonly commit?: string
  readonly commitTimeoutMs?: string
}

/** What the node answers to a write. */
interface WriteAnswer {
  readonly index?: string
  /** Only if it did not come as far as it was to. */
  readonly committed?: readonly string[]
  readonly missing?: readonly string[]
}

const JSON_FLAG = ['--json', 'print what the node answers, as it is'] as const
const MERGE_TYPE = 'application/merge-patch+json'
const OPERATIONS_TYPE = 'application/json-patch+json'

/** Adds the commands that read and write state. */
export function addData(program: Command): void {
  addReads(program)
  addWrites(program)
}

function addReads(program: Command): void {
  addRemoteFlags(program.command('get'))
    .description('print the data of one entry')
    .argument('<path>', 'such as users/42')
    .option('--json', 'print the whole entry, with its times')
    .action(get)
  addRemoteFlags(program.command('list'))
    .description('print the entries that a glob matches, newest created first')
    .argument('<glob>', "such as 'users/*'; quote it, or the shell takes the *")
    .option(...JSON_FLAG)
    .option('--limit <n>', 'at most so many')
    .option('--from <ns>', 'created at or after this time, in nanoseconds since 1970')
    .option('--to <ns>', 'created at or before this time')
    .option('--order <order>', 'asc or desc by time of creation')
    .action(list)
}

function addWrites(program: Command): void {
  const write = (name: string, about: string, path: string): Command =>
    addRemoteFlags(program.command(name))
      .description(about)
      .argument('<path>', path)
      .option(...JSON_FLAG)
      .option('--commit <level>', 'wait until so many nodes have it: ONE, QUORUM or ALL')
      .option('--commit-timeout-ms <ms>', 'how long to wait for that; by default 5000')
  const value = ['<json>', 'the data as JSON; - reads it from stdin'] as const
  write('set', 'create or overwrite an entry', 'such as settings')
    .argument(...value)
    .action(send)
  write('push', 'create an entry under a fresh index', "a glob such as 'users/*'")
    .argument(...value)
    .action(send)
  write('patch', 'merge JSON into the data of an entry', 'such as users/42')
    .argument(
      '<json>',
      'a merge patch (RFC 7396), or an array of operations (RFC 6902); - for stdin',
    )
    .action(patch)
  write(
    'delete',
    'delete an entry, or all that a glob matches',
    "such as users/42 or 'users/*'",
  ).action(remove)
}

async function get(path: string, flags: DataFlags): Promise<void> {
  const answer = await (await new Remote(flags).ask('GET', targetOf(path))).text()
  print(flags.json === true ? answer : dataOf(answer))
}

async function list(glob: string, flags: ListFlags): Promise<void> {
  const { limit, from, to, order } = flags
  const target = withQuery(targetOf(glob), { limit, from, to, order })
  const answer = await (await new Remote(flags).ask('GET', target)).text()
  if (flags.json === true) return print(answer)
  const lines = jsonElements(answer).map((entry) => `${pathOf(entry)}\t${dataOf(entry)}\n`)
  process.stdout.write(lines.join(''))
}

async function send(path: string, json: string, flags: WriteFlags): Promise<void> {
  const body = await given(json)
  await write('POST', path, flags, { body, headers: { 'content-type': 'application/json' } })
}

async function patch(path: string, json: string, flags: WriteFlags): Promise<void> {
  const body = await given(json)
  const type = body.trimStart().startsWith('[') ? OPERATIONS_TYPE : MERGE_TYPE
  await write('PATCH', path, flags, { body, headers: { 'content-type': type } })
}

async function remove(path: string, flags: WriteFlags): Promise<void> {
  await write('DELETE', path, flags, {})
}

/**
 * Sends a write, and prints the path that it went to.
 * @throws SKERRY_COMMIT_UNREACHED if it is written, but not on as many nodes as it was to be
 */
async function write(method: string, path: string, flags: WriteFlags, asked: Asked): Promise<void> {
  const { json, commit, commitTimeoutMs: timeoutMs } = flags
  const target = withQuery(targetOf(path), { commit, timeoutMs })
  const unhurried = commit !== undefined
  const response = await new Remote(flags).ask(method, target, { ...asked, unhurried })
  const answer = await response.text()
  const { index, committed, missing } = answer === '' ? {} : (JSON.parse(answer) as WriteAnswer)
  if (json !== true) print(index === undefined ? path : path.replace(/\*$/, index))
  else if (answer !== '') print(answer)
  if (response.status === 202) throw skerryError('COMMIT_UNREACHED', committed ?? [], missing ?? [])
}

/** The value of an argument: itself, or for `-` what stdin has. */
function given(argument: string): string | Promise<string> {
  return argument === '-' ? textOf(process.stdin) : argument
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** The very text of the data: parsed and printed again, a large number would change. */
function dataOf(entry: string): string {
  return jsonMembers(entry).get('data') ?? 'null'
}

function pathOf(entry: string): string {
  return JSON.parse(jsonMembers(entry).get('path') ?? '""') as string
}
