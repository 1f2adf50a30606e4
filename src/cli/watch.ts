import type { Command } from 'commander'
import { WebSocket } from 'ws'
import { type ClientError, type ClientOptions, connect, type Entry } from '../client.ts'
import { SkerryError } from '../index.ts'
import { addRemoteFlags, Remote, type RemoteFlags } from './remote.ts'
import { stopRequest } from './stop.ts'
import type { ClientTls } from './tls.ts'

interface WatchFlags extends RemoteFlags {
  readonly json?: true
}

type Seen = readonly Entry[] | Entry | null

export function addWatch(program: Command): void {
  addRemoteFlags(program.command('watch'))
    .description('print what a path or glob holds, and every change of it, until Ctrl-C')
    .argument('<path>', "such as users/42 or 'users/*'")
    .option('--json', 'print a JSON object a line, with the exact times')
    .action(watch)
}

async function watch(path: string, flags: WatchFlags): Promise<void> {
  const { url, tls } = new Remote(flags)
  const { token, json } = flags
  const client = connect(url, {
    WebSocket: socketsOver(tls),
    ...(token !== undefined && { token }),
  })
  const stopped = stopRequest()
  try {
    await new Promise<void>((resolve, reject) => {
      const printer = new Printer(path, json === true ? jsonLine : plainLine)
      const refused = (error: ClientError): void => reject(errorOf(error))
      client.watch(path).subscribe((value) => printer.print(value), refused)
      void stopped.then(() => resolve())
    })
  } finally {
    client.close()
  }
}

/** WebSockets that show and trust this. */
function socketsOver(tls: ClientTls = {}): NonNullable<ClientOptions['WebSocket']> {
  const { cert, key, ca } = tls
  return class extends WebSocket {
    constructor(address: string, protocols?: string[]) {
      super(address, protocols, { cert, key, ca: ca && [...ca] })
    }
  }
}

/** Tells of what is new: entries that did not change between two values are the same objects. */
class Printer {
  readonly #path: string
  readonly #line: (path: string, entry: Entry | undefined) => string
  #held = new Map<string, Entry>()

  constructor(path: string, line: (path: string, entry: Entry | undefined) => string) {
    this.#path = path
    this.#line = line
  }

  print(value: Seen): void {
    const entries = value === null ? [] : [value].flat()
    const now = new Map(entries.map((entry) => [entry.path, entry]))
    const gone = [...this.#held.keys()].filter((path) => !now.has(path))
    // Nothing is there yet: that is worth a line for one path, and none for a list.
    if (value === null && gone.length === 0) gone.push(this.#path)
    const changed = entries.filter((entry) => this.#held.get(entry.path) !== entry)
    this.#held = now
    const lines = [
      ...gone.map((path) => this.#line(path, undefined)),
      // Lists are newest first; what came last is printed last.
      ...changed.reverse().map((entry) => this.#line(entry.path, entry)),
    ]
    for (const line of lines) process.stdout.write(`${line}\n`)
  }
}

function plainLine(path: string, entry: Entry | undefined): string {
  return `${path}\t${entry === undefined ? '(nothing)' : JSON.stringify(entry.data)}`
}

function jsonLine(path: string, entry: Entry | undefined): string {
  const named = `"path":${JSON.stringify(path)}`
  if (entry === undefined) return `{${named},"deleted":true}`
  const { created, updated, data } = entry
  return `{${named},"created":${created},"updated":${updated},"data":${JSON.stringify(data)}}`
}

/** Both kinds of errors have the same codes. */
function errorOf({ code, status, message }: ClientError): SkerryError {
  return new SkerryError(code as SkerryError['code'], status, message)
}
