import { type Env, NS_PER_MS, randomId } from '../core/env.ts'
import type { Store, Write } from '../store/store.ts'
import { Ledger, type LedgerState } from './ledger.ts'
import { type Member, parseMember } from './member.ts'
import { Audience } from './notices.ts'
import type {
  Change,
  ClaimAnswer,
  CommitAnswer,
  Head,
  Leadership,
  Notice,
  Proposal,
  Registry,
  Right,
  Session,
  SessionAnswer,
  Snapshot,
} from './registry.ts'
import { formatTable, readKeptTable } from './table.ts'

/** Where it all lies in the store. Ids become hexadecimal: a path takes fewer characters. */
const TABLE = 'cluster/table'
const MEMBERS = 'cluster/members'
const KEYS = 'cluster/keys'
/** Paths in one atomic write of keys. */
const WRITES_MAX = 500
/** Epochs set aside in one write, so that none is used twice even if the clock goes back. */
const EPOCHS_RESERVED = 3_600_000

/** How a registry in this process is used. */
export interface EmbeddedOptions {
  /** Opens the store to keep it all in; without one it ends with the process. */
  readonly openStore?: (() => Promise<Store>) | undefined
  /**
   * Other processes take part, by way of this one. Their workers may hold rights from before a
   * restart of this process, so nothing is granted until a lease has passed. Default false.
   */
  readonly shared?: boolean
}

/**
 * A registry inside this process: no other server is needed. With a store it outlives the process;
 * what a verb changed is durable when it resolves.
 */
export class EmbeddedRegistry implements Registry {
  readonly #newLedger: (state?: LedgerState) => Ledger
  readonly #options: EmbeddedOptions
  readonly #audience = new Audience()
  readonly #faults: Error[] = []
  #ledger: Ledger
  #store: Store | undefined
  #epochsUntil = 0
  /** Changes one after the other: what one decides on is durable before the next looks at it. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(env: Env, options: EmbeddedOptions = {}) {
    const nowMs = (): number => Number(env.now() / NS_PER_MS)
    this.#newLedger = (state) => {
      // Where all workers live in this process, none can hold anything from an earlier run; nor can
      // anybody if no right was ever granted.
      const mayBeHeld = state === undefined || this.#epochsUntil > 0
      const recovering = options.shared === true && mayBeHeld
      return new Ledger(randomId(env), nowMs, recovering, state)
    }
    this.#ledger = this.#newLedger()
    this.#options = options
  }

  async open(slots: number): Promise<void> {
    const { openStore } = this.#options
    if (openStore && this.#store === undefined) {
      this.#store = await openStore()
      this.#ledger = this.#newLedger(await this.#load(this.#store))
    }
    this.#ledger.agreeOnSlots(slots)
  }

  async close(): Promise<void> {
    await this.#turn
    await this.#store?.close()
    this.#store = undefined
  }

  /** All that the store holds, as the bytes of a backup; nothing without a store. */
  backup(): AsyncIterable<Uint8Array> | undefined {
    return this.#store?.backup?.()
  }

  async head(): Promise<Head> {
    return this.#ledger.head()
  }

  async read(): Promise<Snapshot> {
    return { ...this.#ledger.read(), faults: this.#faults }
  }

  async changesAfter(run: string, version: number): Promise<Change[] | undefined> {
    return this.#ledger.changesAfter(run, version)
  }

  async commit(proposal: Proposal): Promise<CommitAnswer> {
    return this.#inTurn(async () => {
      const verdict = this.#ledger.judge(proposal)
      if (verdict !== 'done') return verdict
      const { base, members, left, moves, owners } = proposal
      const version = base + 1
      const tableVersion = moves.length > 0 ? version : this.#ledger.state.tableVersion
      await this.#save([
        ...members.map((member) => set(memberPath(member.id), member)),
        ...left.map((id) => set(memberPath(id), undefined)),
        set(TABLE, this.#tableRecord(version, tableVersion, owners)),
      ])
      return this.#ledger.commit(proposal)
    })
  }

  /** Only what is kept in memory, by a process that others take part in, can have been lost. */
  async restore(snapshot: Snapshot): Promise<void> {
    await this.#inTurn(async () => {
      const before = this.#ledger.state
      const known = { version: before.version, ids: [...before.members.keys()] }
      this.#ledger.restore(snapshot)
      const { version, tableVersion, owners, members } = this.#ledger.state
      if (version === known.version) return
      const gone = known.ids.filter((id) => !members.has(id))
      await this.#save([
        ...gone.map((id) => set(memberPath(id), undefined)),
        ...[...members.values()].map((member) => set(memberPath(member.id), member)),
        set(TABLE, this.#tableRecord(version, tableVersion, owners)),
      ])
    })
  }

  async addKeys(keys: ReadonlyMap<number, readonly string[]>): Promise<number> {
    return this.#changeKeys(
      keys,
      (held, names) => new Set([...held, ...names]),
      (ledger, part) => ledger.addKeys(part),
    )
  }

  async removeKeys(keys: ReadonlyMap<number, readonly string[]>): Promise<number> {
    const without = (held: ReadonlySet<string>, names: readonly string[]): Set<string> => {
      const gone = new Set(names)
      return new Set([...held].filter((name) => !gone.has(name)))
    }
    return this.#changeKeys(keys, without, (ledger, part) => ledger.removeKeys(part))
  }

  async keysIn(slots: readonly number[]): Promise<Map<number, string[]>> {
    return this.#ledger.keysIn(slots)
  }

  async campaign(monitor: string, seen: Leadership): Promise<number | undefined> {
    return this.#ledger.campaign(monitor, seen)
  }

  async lead(term: number): Promise<boolean> {
    return this.#ledger.lead(term)
  }

  async resign(term: number): Promise<void> {
    this.#ledger.resign(term)
  }

  async endRecovery(term: number, run: string): Promise<void> {
    this.#ledger.endRecovery(term, run)
  }

  async openSession(session: string, worker: string): Promise<void> {
    this.#ledger.openSession(session, worker)
  }

  async beatSession(session: string): Promise<SessionAnswer> {
    return this.#ledger.beatSession(session)
  }

  async sessions(): Promise<Session[]> {
    return this.#ledger.sessions()
  }

  async fence(term: number, session: Session): Promise<boolean> {
    return this.#ledger.fence(term, session)
  }

  async closeSession(session: string): Promise<void> {
    this.#ledger.closeSession(session)
  }

  async claim(session: string, version: number, slots: readonly number[]): Promise<ClaimAnswer> {
    return this.#inTurn(async () => {
      const answer = this.#ledger.claim(session, version, slots)
      const { state } = this.#ledger
      if (state.epoch <= this.#epochsUntil) return answer
      this.#epochsUntil = state.epoch + EPOCHS_RESERVED
      await this.#save([
        set(TABLE, this.#tableRecord(state.version, state.tableVersion, state.owners)),
      ])
      return answer
    })
  }

  async release(session: string, version: number, slots: readonly number[]): Promise<boolean> {
    return this.#ledger.release(session, version, slots)
  }

  async reassert(
    session: Omit<Session, 'beat'>,
    rights: readonly Right[],
  ): Promise<number[] | 'closed'> {
    return this.#ledger.reassert(session, rights)
  }

  async rights(): Promise<Map<number, string>> {
    return this.#ledger.rights()
  }

  async publish(notice: Notice): Promise<void> {
    this.#audience.tell(notice)
  }

  subscribe(listener: (notice: Notice) => void): () => void {
    return this.#audience.subscribe(listener)
  }

  async #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(step)
    this.#turn = result.catch(() => undefined)
    return result
  }

  async #changeKeys(
    keys: ReadonlyMap<number, readonly string[]>,
    after: (held: ReadonlySet<string>, names: readonly string[]) => ReadonlySet<string>,
    apply: (ledger: Ledger, part: ReadonlyMap<number, readonly string[]>) => number,
  ): Promise<number> {
    const all = [...keys]
    let changed = 0
    for (let at = 0; at < all.length; at += WRITES_MAX) {
      const part = all.slice(at, at + WRITES_MAX)
      changed += await this.#inTurn(async () => {
        const held = this.#ledger.state.keys
        if (this.#store) {
          const writes = part.map(([slot, names]) => {
            const left = after(held.get(slot) ?? new Set(), names)
            return set(`${KEYS}/${slot}`, left.size > 0 ? [...left] : undefined)
          })
          await this.#save(writes)
        }
        return apply(this.#ledger, new Map(part))
      })
    }
    return changed
  }

  async #save(writes: readonly Write[]): Promise<void> {
    await this.#store?.write(writes)
  }

  #tableRecord(version: number, tableVersion: number, owners: readonly string[]): TableRecord {
    const { length } = owners
    const epoch = this.#epochsUntil
    return { version, tableVersion, epoch, slots: length, owners: formatTable(owners) }
  }

  async #load(store: Store): Promise<LedgerState | undefined> {
    const text = (await store.read(TABLE))?.data
    const { entries: rows } = await store.list(`${MEMBERS}/*`)
    const { entries: sets } = await store.list(`${KEYS}/*`)
    if (text === undefined || text === null) return undefined
    const table = JSON.parse(text) as TableRecord
    this.#epochsUntil = table.epoch
    const kept = readKeptTable(table.owners, table.slots)
    this.#faults.push(...kept.faults)
    return {
      version: table.version,
      tableVersion: table.tableVersion,
      epoch: table.epoch,
      leadership: { monitor: '', term: 0, beat: 0 },
      owners: kept.owners,
      members: new Map(rows.flatMap(({ path, data }) => this.#memberOf(path, data))),
      keys: new Map(
        sets.map(({ path, data }) => [
          Number(path.slice(KEYS.length + 1)),
          new Set(JSON.parse(data ?? '[]') as string[]),
        ]),
      ),
    }
  }

  #memberOf(path: string, text: string | null): [string, Member][] {
    const id = fromHex(path.slice(MEMBERS.length + 1))
    try {
      return [[id, parseMember(id, text ?? '')]]
    } catch (error) {
      this.#faults.push(error as Error)
      return []
    }
  }
}

/**
 * Makes a registry from a backup safe to open: it does not know which rights were granted since. Its
 * epochs begin `aheadMs` later than it knows, and since some were used it recovers first: nothing is
 * granted until a lease has passed, and whoever knows more of members and table restores them.
 */
export async function supersedeEpochs(store: Store, env: Env, aheadMs: number): Promise<void> {
  const nowMs = Number(env.now() / NS_PER_MS)
  const later = (text: string): string => {
    const table = JSON.parse(text) as TableRecord
    return JSON.stringify({ ...table, epoch: Math.max(table.epoch, nowMs) + aheadMs })
  }
  const text = (await store.read(TABLE))?.data
  if (text) await store.write([{ path: TABLE, decide: () => later(text) }])
}

interface TableRecord {
  readonly version: number
  readonly tableVersion: number
  /** No epoch up to this one is used again. */
  readonly epoch: number
  readonly slots: number
  readonly owners: string
}

/** @param value undefined deletes */
function set(path: string, value: unknown): Write {
  return { path, decide: () => (value === undefined ? null : JSON.stringify(value)) }
}

/** The id in UTF-16, four digits a unit: every string has one, and only one. */
function memberPath(id: string): string {
  const units = Array.from({ length: id.length }, (_, at) => id.charCodeAt(at))
  return `${MEMBERS}/${units.map((unit) => unit.toString(16).padStart(4, '0')).join('')}`
}

function fromHex(digits: string): string {
  const units = digits.match(/.{4}/g) ?? []
  return String.fromCharCode(...units.map((unit) => parseInt(unit, 16)))
}
