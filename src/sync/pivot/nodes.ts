import type { Env } from '../../core/env.ts'
import { messageOf } from '../../core/errors.ts'
import type { HttpClient } from './http.ts'
import { MAX_ANSWER_BYTES, TRIGGER_LIMIT_MS } from './http.ts'
import type { PivotKey } from './keys.ts'
import { peerName } from './address.ts'
import type { KeyLag } from '../lag.ts'
import type { PivotPeers } from './peers.ts'
import { parseVersion, PIVOT_PROTOCOL, PIVOT_ROUTE } from './wire.ts'

/** A node as its leader sees it. */
export interface NodeHealth {
  readonly address: string
  readonly healthy: boolean
  /** Nanoseconds of wall time; 0 before the first check. */
  readonly lastCheck: bigint
  /** The protocol that it names; empty if none is known. */
  readonly protocol: string
  readonly compatible: boolean
  /** Why it is not healthy, or not compatible. */
  readonly reason: string
  /**
   * How far it is behind with each key: changes that it has not been told of, or has not fetched; a path counts with
   * each of its changes, and `seconds` is for how long the first has waited. With `more`, nothing is known of what it
   * has, because it has not been told of the key since it was last away, or since this node started.
   */
  readonly lag: readonly KeyLag[]
}

/** What a node needs of the leader it belongs to. */
export interface NodeHost {
  readonly env: Env
  readonly http: HttpClient
  /** The keys that the node is to be told of. */
  readonly keys: readonly PivotKey[]
  readonly peers: PivotPeers
  /** Makes the key's `lastEntry` grow, so that nodes see news. */
  lift(key: PivotKey): void
  /** Called when something in its health has changed. */
  changed(): void
  /** Before a node that is no Skerry is told to fetch: takes over what only it has. */
  collect(address: string): Promise<void>
}

/** How far the clocks of a node and its leader may be apart for {@link NodePeer.own} to see an overlap. */
const OVERLAP_NS = 1_000_000_000n

interface Debt {
  entries: number
  sinceMs: number
  more: boolean
}

const NOTHING: Debt = { entries: 0, sinceMs: 0, more: false }

/**
 * One node of this leader: told of each key that changed, one request at a time, however many changes come
 * meanwhile. While it is unhealthy it is only checked; when it is back it is told of every key.
 */
export class NodePeer {
  readonly address: string
  readonly #host: NodeHost
  /** What it has yet to fetch, by key. */
  readonly #debts = new Map<PivotKey, Debt>()
  /** The keys to tell it of, in order. */
  readonly #due = new Set<PivotKey>()
  #healthy = false
  #protocol = ''
  #checking = false
  #introduced = false
  #lastCheck = 0n
  #reason = 'it has not been checked yet'
  /** The key that it is being told of, and what it owed of it as that began. */
  #telling: PivotKey | undefined
  #told: Debt = NOTHING
  /** When it was last told of a key: wall time. */
  readonly #toldAt = new Map<PivotKey, bigint>()
  #stopped = false

  constructor(host: NodeHost, address: string) {
    this.#host = host
    this.address = address
    this.#oweAll()
  }

  get health(): NodeHealth {
    const compatible = this.#protocol === PIVOT_PROTOCOL
    const nowMs = this.#host.env.monotonicMs()
    return {
      address: this.address,
      healthy: this.#healthy,
      lastCheck: this.#lastCheck,
      protocol: this.#protocol,
      compatible,
      reason: this.#reason,
      lag: this.#host.keys.map((key) => {
        const { entries, sinceMs, more } = this.#owed(key)
        const seconds = entries > 0 || more ? Math.max(0, (nowMs - sinceMs) / 1000) : 0
        return { key: key.path, entries, seconds, more }
      }),
    }
  }

  /** Others have changed the key: it is told at once. */
  owe(key: PivotKey, entries: number): void {
    this.#count(key, entries)
    if (!this.#host.keys.includes(key)) return
    this.#due.add(key)
    this.#pump()
  }

  /**
   * A write of its own, so it says. It is told with the next check, in case that is not true. A Go node looks
   * for news only above its own newest time: if it wrote while it was being told of others' changes, it
   * may have passed them over, and is told again.
   */
  own(key: PivotKey, entries: number, stamp: bigint): void {
    const toldAt = this.#toldAt.get(key) ?? 0n
    if (this.#due.has(key) || this.#telling === key || stamp <= toldAt + OVERLAP_NS) {
      this.#host.lift(key)
      this.owe(key, entries)
    } else {
      this.#count(key, 0)
    }
  }

  /** Looks how it is, and tells it what it has missed. */
  async check(): Promise<void> {
    if (this.#checking || this.#stopped) return
    this.#checking = true
    try {
      await this.#ping()
    } catch (error) {
      this.#set(false, messageOf(error))
    } finally {
      this.#checking = false
    }
    this.#pump()
  }

  stop(): void {
    this.#stopped = true
  }

  #oweAll(): void {
    for (const key of this.#host.keys) {
      this.#count(key, 0)
      this.#debts.get(key)!.more = true
    }
  }

  #count(key: PivotKey, entries: number): void {
    if (!this.#host.keys.includes(key)) return
    const debt = this.#debts.get(key)
    if (debt !== undefined) debt.entries += entries
    else this.#debts.set(key, { entries, sinceMs: this.#host.env.monotonicMs(), more: false })
  }

  #pump(): void {
    if (this.#telling !== undefined || this.#stopped || !this.#healthy) return
    if (this.#protocol !== PIVOT_PROTOCOL) return
    const [key] = this.#due
    if (key === undefined) return
    this.#telling = key
    this.#tell(key)
      .catch((error: unknown) => this.#set(false, messageOf(error)))
      .finally(() => {
        this.#toldAt.set(key, this.#host.env.now())
        this.#telling = undefined
        this.#pump()
      })
  }

  async #tell(key: PivotKey): Promise<void> {
    const before = this.#debts.get(key) ?? { ...NOTHING, sinceMs: this.#host.env.monotonicMs() }
    this.#told = before
    this.#due.delete(key)
    // What comes from here on may be missing in what it fetches.
    this.#debts.delete(key)
    try {
      await this.#get(`${PIVOT_ROUTE}/synchronize/pivot?key=${key.path}`)
      this.#set(true, '')
    } catch (error) {
      this.#debts.set(key, this.#owed(key))
      throw error
    } finally {
      this.#told = NOTHING
    }
  }

  /** What it owes of a key; what it is just being told of is owed until it has answered. */
  #owed(key: PivotKey): Debt {
    const later = this.#debts.get(key)
    if (this.#telling !== key || this.#told === NOTHING) return later ?? NOTHING
    const { entries, sinceMs, more } = this.#told
    return { entries: entries + (later?.entries ?? 0), sinceMs, more: more || later?.more === true }
  }

  async #ping(): Promise<void> {
    await this.#introduce()
    await this.#get('/')
    const { protocol, isSkerry, offersLink } = parseVersion(await this.#version())
    await this.#met(offersLink)
    const wasInStep = this.#healthy && this.#protocol === PIVOT_PROTOCOL
    this.#protocol = protocol
    if (protocol !== PIVOT_PROTOCOL) {
      this.#set(true, `it speaks protocol '${protocol.slice(0, 20)}', not '${PIVOT_PROTOCOL}'`)
      return
    }
    if (!wasInStep) {
      // First what only it has: as soon as it is told, it deletes that.
      if (!isSkerry) await this.#host.collect(this.address)
      this.#oweAll()
    }
    for (const key of this.#debts.keys()) this.#due.add(key)
    this.#set(true, '')
  }

  /** It may hold what is shared, though nobody has reached it yet. */
  async #introduce(): Promise<void> {
    if (this.#introduced) return
    await this.#host.peers.expect(peerName(this.address), this.#host.keys)
    this.#introduced = true
  }

  /** One that links natively acknowledges what it has, and counts by that. */
  async #met(linksNatively: boolean): Promise<void> {
    const { peers, keys } = this.#host
    if (linksNatively) await peers.drop(peerName(this.address))
    else await peers.heard(peerName(this.address), keys)
  }

  /** What `/version` says; nothing if it answers anything but 200, as peers of old do. */
  async #version(): Promise<string> {
    try {
      return await this.#get(`${PIVOT_ROUTE}/version`)
    } catch (error) {
      if (error instanceof Refusal) return '{}'
      throw error
    }
  }

  #set(healthy: boolean, reason: string): void {
    this.#lastCheck = this.#host.env.now()
    const changed = healthy !== this.#healthy || reason !== this.#reason
    this.#healthy = healthy
    this.#reason = reason
    if (changed && !this.#stopped) this.#host.changed()
  }

  async #get(route: string): Promise<string> {
    const { status, body } = await this.#host.http.request({
      method: 'GET',
      url: `http://${this.address}${route}`,
      timeoutMs: TRIGGER_LIMIT_MS,
      maxBytes: MAX_ANSWER_BYTES,
    })
    if (status !== 200) throw new Refusal(`it answers ${status} to GET ${route}`)
    return body
  }
}

/** An answer other than 200. */
class Refusal extends Error {}
