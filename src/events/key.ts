import { NS_PER_MS, type Env } from '../core/env.ts'
import { hashOf } from './peers.ts'

/** Makes keys for events, each above the one before. */
export type KeyGenerator = () => string

/** What tells the keys of one generator from those of others. */
export interface KeyGeneratorOptions {
  readonly env: Pick<Env, 'now'>
  /** Id of the process on its node. Two at a time must differ by no multiple of a million. */
  readonly process: number
  /** Name of the node; processes of one node must name it alike. */
  readonly node: string
}

const NS_PER_US = 1_000n
const PROCESSES = 1_000_000

/**
 * Makes a generator of keys in alldata's form, `YYYYMMDDThhmmsslllnnnnnnnnn` in UTC, 27
 * characters: the millisecond `lll`, then the microsecond in it (3 digits) and the process
 * (6 digits, moved by a number of the node's own, so that container after container with the
 * process id 1 doesn't make the same keys). Keys sort by time, and by process where that is the
 * same; a generator never makes one twice, even when the clock stands or goes back.
 *
 * @example
 * const generateKey = createKeyGenerator({ env, process: 4242, node: 'n1' })
 * generateKey() // '20130927T005240652508858176'
 */
export function createKeyGenerator(options: KeyGeneratorOptions): KeyGenerator {
  const { env, node } = options
  const source = String((options.process + hashOf(node)) % PROCESSES).padStart(6, '0')
  let lastUs = 0n
  let lastSecond = -1n
  let secondText = ''
  return () => {
    const nowUs = env.now() / NS_PER_US
    lastUs = nowUs > lastUs ? nowUs : lastUs + 1n
    const second = lastUs / 1_000_000n
    if (second !== lastSecond) {
      lastSecond = second
      secondText = timeText(Number(second) * 1_000).slice(0, 15)
    }
    return secondText + String(lastUs % 1_000_000n).padStart(6, '0') + source
  }
}

const KEY = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})\d{9}$/

/** The milliseconds since the epoch that a key names, or nothing if it is no such key. */
export function keyTimeMs(key: string): number | undefined {
  const match = KEY.exec(key)
  if (!match) return undefined
  const [year, month, day, hours, minutes, seconds, ms] = match.slice(1).map(Number) as Parts
  const days = daysOf(year, month, day)
  if (days === undefined || hours > 23 || minutes > 59 || seconds > 59) return undefined
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000 + ms
}

type Parts = [number, number, number, number, number, number, number]

/** The first key there can be at or after a moment: what ranges begin and end with. */
export function keyAt(timeMs: number): string {
  return timeText(timeMs).padEnd(27, '0')
}

/** Wall-clock milliseconds of an Env. */
export function wallMs(env: Pick<Env, 'now'>): number {
  return Number(env.now() / NS_PER_MS)
}

const MS_PER_DAY = 86_400_000

/** `YYYYMMDDThhmmsslll`. */
function timeText(timeMs: number): string {
  const days = Math.floor(timeMs / MS_PER_DAY)
  const ms = timeMs - days * MS_PER_DAY
  const [year, month, day] = dateOf(days)
  const pad = (value: number, digits: number) => String(value).padStart(digits, '0')
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor(ms / 60_000) % 60
  const seconds = Math.floor(ms / 1_000) % 60
  const date = pad(year, 4) + pad(month, 2) + pad(day, 2)
  return `${date}T${pad(hours, 2)}${pad(minutes, 2)}${pad(seconds, 2)}${pad(ms % 1_000, 3)}`
}

// The calendar is reckoned here because a clock's own (`Date`) belongs to an adapter. Years begin
// in March, so that the leap day is their last one. After Howard Hinnant, "chrono-Compatible
// Low-Level Date Algorithms".

const DAYS_PER_ERA = 146_097
const EPOCH_SHIFT = 719_468

function dateOf(days: number): [year: number, month: number, day: number] {
  const shifted = days + EPOCH_SHIFT
  const era = Math.floor(shifted / DAYS_PER_ERA)
  const dayOfEra = shifted - era * DAYS_PER_ERA
  const leaps =
    Math.floor(dayOfEra / 1_460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096)
  const yearOfEra = Math.floor((dayOfEra - leaps) / 365)
  const dayOfYear = dayOfEra - daysBefore(yearOfEra)
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day]
}

/** Days since the epoch, or nothing if there is no such date. */
function daysOf(year: number, month: number, day: number): number | undefined {
  const shiftedYear = month <= 2 ? year - 1 : year
  const era = Math.floor(shiftedYear / 400)
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const days = era * DAYS_PER_ERA + daysBefore(shiftedYear - era * 400) + dayOfYear - EPOCH_SHIFT
  const [sameYear, sameMonth, sameDay] = dateOf(days)
  return sameYear === year && sameMonth === month && sameDay === day ? days : undefined
}

/** Days of an era before its year `yearOfEra`. */
function daysBefore(yearOfEra: number): number {
  return yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100)
}
