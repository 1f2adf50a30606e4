import type { Env } from '../../core/env.ts'
import { messageOf } from '../../core/errors.ts'
import type { HttpClient } from './http.ts'
import { MAX_ANSWER_BYTES, TRIGGER_LIMIT_MS } from './http.ts'
import type { PivotKey } from './keys.ts'
import { peerName } from './address.ts'
import type { PivotPeers } from './peers.ts'
import { parseVersion, PIVOT_PROTOCOL, PIVOT_ROUTE } from './wire.ts'

/** How far a node is behind with a key. */
export interface NodeLag {
  readonly key: string
  /** Changes that it has not been told of, or has not fetched. */
  readonly entries: number
  /** For how long the oldest of them has waited. */
  readonly seconds: number
}

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
  readonly lag: readonly NodeLag[]
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
}

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
  /** The key that it is being told of. */
  #telling: PivotKey | undefined
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
      lag: [...this.#debts].map(([{ path }, { entries, sinceMs }]) => ({
        key: path,
        entries,
        seconds: Math.max(0, (nowMs - sinceMs) / 1000),
      })),
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
      this.#count(key, entries)
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
      if (!this.#debts.has(key)) this.#count(key, 0)
    }
  }

  #count(key: PivotKey, entries: number): void {
    if (!this.#host.keys.includes(key)) return
    const debt = this.#debts.get(key)
    if (debt !== undefined) debt.entries += entries
    else this.#debts.set(key, { entries, sinceMs: this.#host.env.monotonicMs() })
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
    const before = this.#debts.get(key)
    this.#due.delete(key)
    // What comes from here on may be missing in what it fetches.
    this.#debts.delete(key)
    try {
      await this.#get(`${PIVOT_ROUTE}/synchronize/pivot?key=${key.path}`)
      this.#set(true, '')
    } catch (error) {
      const since = this.#debts.get(key)
      const sinceMs = before?.sinceMs ?? this.#host.env.monotonicMs()
      this.#debts.set(key, { entries: (before?.entries ?? 0) + (since?.entries ?? 0), sinceMs })
      throw error
    }
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
