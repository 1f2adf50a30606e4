import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { type ErrorObject, Ajv } from 'ajv'
import { SkerryError, skerryError } from '../index.ts'
import { type Setting, type SettingName, type Settings, configSchema, settings } from './schema.ts'

/** What the command line hands over: flag values as typed, by option name. */
export type Flags = Readonly<Record<string, unknown>>

/** One place that options come from, and what it calls them. */
interface Source {
  readonly values: Readonly<Record<string, unknown>>
  readonly nameOf: (option: string) => string
}

/** Variables of other commands and of the file itself. */
const OTHER_VARIABLES = ['SKERRY_CONFIG', 'SKERRY_URL', 'SKERRY_TOKEN']

const PREFIX = 'SKERRY_'

const valid = new Ajv({ allErrors: false, verbose: true }).compile(configSchema)

/**
 * Brings together what flags, environment and config file say: a flag wins over a `SKERRY_…`
 * variable, and that over the file. Each source is checked by itself against the one schema.
 *
 * @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID naming the flag, variable or member
 */
export function resolveSettings(flags: Flags, env: NodeJS.ProcessEnv): Settings {
  const { config, ...options } = flags
  const file = config ?? env['SKERRY_CONFIG']
  const sources = [
    ...(typeof file === 'string' ? [fromFile(file)] : []),
    fromEnvironment(env),
    fromFlags(options),
  ]
  let resolved: Record<string, unknown> = { ...defaults }
  for (const source of sources) {
    check(source)
    resolved = { ...without(resolved, excludedBy(source)), ...source.values }
  }
  return Object.freeze(resolved) as unknown as Settings
}

const defaults = Object.fromEntries(
  settings.flatMap(({ name, fallback }) => (fallback === undefined ? [] : [[name, fallback]])),
)

function fromFlags(flags: Flags): Source {
  const values: Record<string, unknown> = {}
  for (const [name, raw] of Object.entries(flags)) values[name] = read(settingOf(name), raw)
  return { values, nameOf: flagOf }
}

function fromEnvironment(env: NodeJS.ProcessEnv): Source {
  const values: Record<string, unknown> = {}
  for (const [variable, raw] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || OTHER_VARIABLES.includes(variable)) continue
    const setting = settings.find(({ name }) => variableOf(name) === variable)
    if (setting === undefined) throw skerryError('OPTION_UNKNOWN', variable)
    values[setting.name] = read(setting, setting.type === 'strings' ? raw?.split(',') : raw)
  }
  return { values, nameOf: variableOf }
}

function fromFile(file: string): Source {
  const nameOf = (option: string) => `${option} of ${basename(file)}`
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw skerryError('OPTION_INVALID', '--config', file, `it must be a readable JSON file: ${why}`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw skerryError('OPTION_INVALID', '--config', file, 'it must hold a JSON object')
  }
  // For editors only.
  const values = without(parsed as Record<string, unknown>, ['$schema'])
  return { values, nameOf }
}

/** Text from the command line or the environment as the type its option has, if it can be read so. */
function read({ type }: Setting, raw: unknown): unknown {
  if (typeof raw !== 'string') return raw
  if (type === 'integer') return /^-?\d{1,15}$/.test(raw) ? Number(raw) : raw
  if (type === 'boolean') return raw === 'true' ? true : raw === 'false' ? false : raw
  return raw
}

function check({ values, nameOf }: Source): void {
  if (valid(values)) {
    const [first, second] = STORAGE.filter((name) => isGiven(values, name))
    if (first !== undefined && second !== undefined) {
      const [here, there] = [nameOf(second), nameOf(first)]
      // A URL may hold a password.
      const value = second === 'memory' ? true : 'given'
      throw skerryError('OPTION_INVALID', here, value, `${there} is given too; choose one`)
    }
    return
  }
  const [error] = valid.errors ?? []
  throw error === undefined ? new TypeError('the schema gave no reason') : fault(error, nameOf)
}

function fault(error: ErrorObject, nameOf: Source['nameOf']): SkerryError {
  if (error.keyword === 'additionalProperties') {
    return skerryError('OPTION_UNKNOWN', nameOf(String(error.params['additionalProperty'])))
  }
  const [, option = ''] = error.instancePath.split('/')
  const { expected } = settingOf(option)
  return skerryError('OPTION_INVALID', nameOf(option), shown(error.data), `it must be ${expected}`)
}

function shown(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : JSON.stringify(value)
}

/** Where a node keeps its data: one of these. */
const STORAGE: readonly SettingName[] = ['data', 'memory', 'redis']

/** Storage named in a stronger source sets aside the other kinds in a weaker one. */
function excludedBy({ values }: Source): readonly SettingName[] {
  const given = STORAGE.find((name) => isGiven(values, name))
  return given === undefined ? [] : STORAGE.filter((name) => name !== given)
}

function isGiven(values: Source['values'], name: SettingName): boolean {
  return values[name] !== undefined && values[name] !== false
}

function settingOf(name: string): Setting {
  const found = settings.find((setting) => setting.name === name)
  if (found === undefined) throw skerryError('OPTION_UNKNOWN', name)
  return found
}

function without(
  values: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)))
}

/** `maxClockDriftMs` → `--max-clock-drift-ms`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** `maxClockDriftMs` → `SKERRY_MAX_CLOCK_DRIFT_MS`. */
export function variableOf(name: string): string {
  return PREFIX + name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
}
