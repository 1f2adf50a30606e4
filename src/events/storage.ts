import { skerryError } from '../core/errors.ts'
import { equalJson } from '../core/json.ts'

/** Answers an operation: nothing for success, anything else for failure. */
export type Answer = (error?: unknown) => void

/** Is told the answer to a replica: nothing for success; now or later, maybe twice. */
export interface Recipient {
  answer(error?: unknown): void
}

/**
 * The storage alldata's coordinator takes: stores an event and calls back, or returns a promise.
 * It may keep and change the event it is given, which is a copy of its own.
 */
export interface EventStorage {
  put(key: string, event: unknown, callback: Answer): unknown
}

/** A walk over stored events in key order. */
export interface ReplicaRange {
  /** First key, inclusive. */
  readonly from: string
  /** Key before which to stop; without it, at the end. */
  readonly below?: string | undefined
  /** Most rows of one page. */
  readonly limit: number
  /** Rows carry the SHA-256 of the event instead of the event. */
  readonly digests?: boolean | undefined
}

/** The key of an event with its JSON text, or with the digest of that text. */
export type ReplicaRow = readonly [key: string, value: string]

/** Rows in key order. A page may be cut short at any row, so `more` says whether it was. */
export interface ReplicaPage {
  readonly rows: readonly ReplicaRow[]
  readonly more: boolean
}

/**
 * A storage that can be read back, which `get`, `scan` and repair need. Events are JSON texts:
 * nothing on the way to a disk or to a peer parses and prints them again.
 */
export interface ReplicaStore {
  /**
   * Refuses, before anything is sent anywhere, an event that may not be put here.
   * @throws SKERRY_EVENTS_CONFLICT, SKERRY_EVENTS_KEY_INVALID, SKERRY_EVENTS_KEY_OUT_OF_WINDOW
   */
  checkReplica(key: string, text: string): void | Promise<void>
  /** Durable once it returns, or the promise is fulfilled. Writing the same again changes nothing. */
  writeReplica(key: string, text: string): void | Promise<void>
  readReplica(key: string): Promise<string | undefined>
  rangeReplicas(range: ReplicaRange): Promise<ReplicaPage>
}

/** Whether a storage can be read back. */
export function isReplicaStore(storage: EventStorage | ReplicaStore): storage is ReplicaStore {
  return 'rangeReplicas' in storage && typeof storage.rangeReplicas === 'function'
}

/**
 * Calls a function that answers by callback or by promise. One that declares the callback is
 * held to it (an async function may return long before its callback is called), unless its
 * promise is rejected.
 *
 * @param declared number of parameters in front of the callback
 */
export function answerOf(
  call: (callback: Answer) => unknown,
  byCallback: boolean,
  answer: Answer,
): void {
  let returned: unknown
  try {
    returned = call(answer)
  } catch (error) {
    answer(error ?? 'it threw nothing')
    return
  }
  if (!isThenable(returned)) return
  returned.then(
    () => {
      if (!byCallback) answer()
    },
    (error: unknown) => answer(error ?? 'rejected without a reason'),
  )
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function'
}

/**
 * The JSON text of an event.
 * @throws SKERRY_JSON_INVALID if it has none (undefined, a function, a cycle, a bigint)
 */
export function eventText(event: unknown): string {
  let text: string | undefined
  let why = 'an event needs a JSON form'
  try {
    text = JSON.stringify(event)
  } catch (error) {
    why = String(error)
  }
  if (text === undefined) throw skerryError('JSON_INVALID', why)
  return text
}

/** Whether two JSON texts say the same, numbers to the last digit; what is no JSON equals itself only. */
export function sameEvent(a: string, b: string): boolean {
  try {
    return equalJson(a, b)
  } catch {
    return false
  }
}
