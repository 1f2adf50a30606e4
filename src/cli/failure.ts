import { CommanderError } from 'commander'
import { debuglog } from 'node:util'
import { SkerryError } from '../index.ts'

/** How a command that did not succeed ends. */
export interface Failure {
  /** 1: it failed. 2: it was used wrongly. 0: it was asked for help or its version. */
  readonly exitCode: number
  /** The one line for stderr. */
  readonly line?: string
}

/** A node refuses these before it touches anything, so they are faults of the command line. */
const USAGE = /^SKERRY_(OPTION_|HOST_INSECURE)/

const debug = debuglog('skerry')

/** What to print and how to exit for anything that a command threw. */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof CommanderError) return misuseOf(thrown)
  debug('%o', thrown)
  if (thrown instanceof SkerryError) {
    const { code, message } = thrown
    return { exitCode: USAGE.test(code) ? 2 : 1, line: `${code}: ${oneLine(message)}` }
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const advice = 'nobody foresaw this; set NODE_DEBUG=skerry to see where it comes from'
  return { exitCode: 1, line: `SKERRY_INTERNAL: ${oneLine(message)}; ${advice}` }
}

/** Commander has printed help and version itself; anything else it throws is wrong usage. */
function misuseOf({ exitCode, code, message }: CommanderError): Failure {
  if (exitCode === 0) return { exitCode }
  if (code === 'commander.help') return { exitCode: 2 }
  const said = oneLine(message.replace(/^error: /, ''))
  return { exitCode: 2, line: `${codeOf(code)}${said}; see skerry --help` }
}

function codeOf(code: string): string {
  if (code === 'commander.unknownOption') return 'SKERRY_OPTION_UNKNOWN: '
  return /option|argument|conflict|command/i.test(code) ? 'SKERRY_OPTION_INVALID: ' : ''
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ')
}
