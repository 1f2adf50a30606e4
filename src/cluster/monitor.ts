import type { CancelTimer, Env } from '../core/env.ts'
import { Detector } from './detector.ts'
import type { DetectorEffect, DetectorOptions, Health } from './detector.ts'
import { probeUrl } from './member.ts'
import type { Member } from './member.ts'
import type { Prober } from './prober.ts'
import { Pulse } from './pulse.ts'
import type { Head, Notice, Registry } from './registry.ts'
import type { Replica } from './replica.ts'
import { hasOrphans } from './view.ts'
import type { Draft, View } from './view.ts'

export interface MonitorOptions extends DetectorOptions {
  readonly leaseMs: number
}

/** What a monitor works with. */
export interface MonitorParts {
  readonly env: Env
  readonly registry: Registry
  readonly replica: Replica
  readonly prober: Prober
  readonly options: MonitorOptions
  /** Hears what goes wrong while nobody waits for an answer. */
  readonly onError: (error: unknown) => void
}

/** Looks at the registry so often in a lease. */
const POLLS_PER_LEASE = 4
/** Whoever waits for a lease to end waits this much longer: clocks tick at slightly other rates. */
const LEASE_MARGIN = 1.25
/** Ticks of the detector in one interval: probes are spread that finely. */
const TICKS_PER_INTERVAL = 200
const TICK_MIN_MS = 5
const TICK_MAX_MS = 100
/** Second opinions that are being formed at one time; more questions go unanswered. */
const OPINIONS_MAX = 64

/**
 * Watches the members. Of all monitors of a cluster one leads: it alone probes, fences silent
 * workers and ends recoveries; the others follow, answer its questions, and take over when its lease
 * ends. Whatever a leader does carries its term, so one that was deposed without noticing can do no
 * harm.
 */
export class Monitor {
  readonly id: string
  readonly #parts: MonitorParts
  readonly #pulse: Pulse
  readonly #leaders = new Standstill()
  readonly #opinions = new Set<string>()
  #unsubscribe: () => void = () => {}
  #office: Office | undefined

  constructor(id: string, parts: MonitorParts) {
    this.id = id
    this.#parts = parts
    const periodMs = parts.options.leaseMs / POLLS_PER_LEASE
    this.#pulse = new Pulse(parts.env, periodMs, () => this.#step())
  }

  /** Whether this monitor leads, as far as it knows. */
  get leads(): boolean {
    return this.#office !== undefined
  }

  async start(): Promise<void> {
    this.#unsubscribe = this.#parts.registry.subscribe((notice) => {
      this.#hear(notice).catch(this.#parts.onError)
    })
    await this.#pulse.wake()
  }

  async stop(): Promise<void> {
    this.#unsubscribe()
    await this.#pulse.stop()
    const office = this.#office
    this.#leave()
    if (office) await this.#parts.registry.resign(office.term).catch(this.#parts.onError)
  }

  /** Tells the detector about new members at once rather than with the next poll. */
  see(view: View): void {
    this.#office?.see(view)
  }

  async #step(): Promise<void> {
    try {
      const head = await this.#parts.replica.refresh()
      if (this.#office === undefined) await this.#follow(head)
      else if (await this.#parts.registry.lead(this.#office.term)) await this.#office.govern(head)
      else this.#leave()
    } catch (error) {
      this.#parts.onError(error)
    }
  }

  async #follow({ leadership }: Head): Promise<void> {
    const now = this.#parts.env.monotonicMs()
    const { monitor, term, beat } = leadership
    const seenMs = this.#leaders.since(monitor, `${term} ${beat}`, now)
    this.#leaders.keep([monitor])
    if (monitor !== '' && seenMs < this.#parts.options.leaseMs) return
    const won = await this.#parts.registry.campaign(this.id, leadership)
    if (won === undefined) return
    this.#office = new Office(won, this.#parts)
  }

  #leave(): void {
    this.#office?.close()
    this.#office = undefined
  }

  async #hear(notice: Notice): Promise<void> {
    switch (notice.type) {
      case 'changed':
        // Whoever owns the replica refreshes it; the rest can wait for the next poll.
        return
      case 'ask':
        if (this.#office === undefined) await this.#giveOpinion(notice.id, notice.incarnation)
        return
      case 'vouch':
        this.#office?.detector.vouched(notice.id, notice.incarnation)
    }
  }

  async #giveOpinion(id: string, incarnation: number): Promise<void> {
    const member = this.#parts.replica.view.members.get(id)
    if (member?.incarnation !== incarnation) return
    if (this.#opinions.has(id) || this.#opinions.size >= OPINIONS_MAX) return
    this.#opinions.add(id)
    try {
      const { outcome } = await this.#parts.prober.probe(
        probeUrl(member),
        this.#parts.options.timeoutMs,
      )
      if (outcome !== 'missed')
        await this.#parts.registry.publish({ type: 'vouch', id, incarnation })
    } catch (error) {
      this.#parts.onError(error)
    } finally {
      this.#opinions.delete(id)
    }
  }
}

/** What a monitor does while it leads. */
class Office {
  readonly term: number
  readonly detector: Detector
  readonly #parts: MonitorParts
  readonly #silent = new Standstill()
  readonly #recoveries = new Standstill()
  readonly #health = new Map<string, Health & { incarnation: number }>()
  #orphans = false
  #cancelTick: CancelTimer = () => {}
  #reporting = false
  #closed = false

  constructor(term: number, parts: MonitorParts) {
    this.term = term
    this.#parts = parts
    this.detector = new Detector(parts.options)
    this.see(this.#parts.replica.view)
    this.#tick()
  }

  close(): void {
    this.#closed = true
    this.#cancelTick()
  }

  see(view: View): void {
    this.#orphans = hasOrphans(view)
    this.detector.watch(view.members.values(), this.#parts.env.monotonicMs())
  }

  /** Once a poll: leases that ran out, and health that could not be made known before. */
  async govern(head: Head): Promise<void> {
    await this.#endRecovery(head)
    await this.#fenceSilent()
    await this.#adoptOrphans()
    await this.#report()
  }

  async #adoptOrphans(): Promise<void> {
    if (!this.#orphans) return
    await this.#parts.replica.change((view) => (hasOrphans(view) ? {} : undefined), this.term)
  }

  async #endRecovery({ run, recovering }: Head): Promise<void> {
    if (!recovering) return
    const now = this.#parts.env.monotonicMs()
    const lastsMs = this.#recoveries.since('recovery', run, now)
    if (lastsMs < this.#parts.options.leaseMs * LEASE_MARGIN) return
    await this.#parts.registry.endRecovery(this.term, run)
    await this.#parts.registry.publish({ type: 'changed' })
  }

  async #fenceSilent(): Promise<void> {
    const sessions = await this.#parts.registry.sessions()
    const now = this.#parts.env.monotonicMs()
    let fenced = 0
    for (const session of sessions) {
      const silentMs = this.#silent.since(session.session, `${session.beat}`, now)
      if (silentMs < this.#parts.options.leaseMs * LEASE_MARGIN) continue
      if (await this.#parts.registry.fence(this.term, session)) fenced++
    }
    this.#silent.keep(sessions.map(({ session }) => session))
    if (fenced > 0) await this.#parts.registry.publish({ type: 'changed' })
  }

  #tick(): void {
    const { intervalMs } = this.#parts.options
    const periodMs = Math.min(TICK_MAX_MS, Math.max(TICK_MIN_MS, intervalMs / TICKS_PER_INTERVAL))
    const due = this.#parts.env.monotonicMs() + periodMs
    this.#cancelTick = this.#parts.env.setTimer(periodMs, () => {
      const now = this.#parts.env.monotonicMs()
      this.detector.lagged(now - due)
      this.#carryOut(this.detector.tick(now))
      this.#tick()
    })
  }

  #carryOut(effects: readonly DetectorEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'probe') void this.#probe(effect.id, effect.incarnation)
      else if (effect.kind === 'health') this.#health.set(effect.id, effect)
      else {
        void this.#ask(effect.id, effect.incarnation)
      }
    }
    if (this.#health.size > 0) void this.#report().catch(this.#parts.onError)
  }

  async #ask(id: string, incarnation: number): Promise<void> {
    try {
      await this.#parts.registry.publish({ type: 'ask', id, incarnation })
    } catch (error) {
      // Cut off from the others, this monitor can't tell whose fault it is: it condemns nobody.
      this.detector.vouched(id, incarnation)
      this.#parts.onError(error)
    }
  }

  async #probe(id: string, incarnation: number): Promise<void> {
    const member = this.#parts.replica.view.members.get(id)
    const { outcome } =
      member === undefined
        ? { outcome: 'missed' as const }
        : await this.#parts.prober.probe(probeUrl(member), this.#parts.options.timeoutMs)
    if (this.#closed) return
    this.#carryOut(this.detector.answered(id, incarnation, outcome, this.#parts.env.monotonicMs()))
  }

  /** Commits what the detector found, as many members at a time as there are. */
  async #report(): Promise<void> {
    if (this.#reporting || this.#health.size === 0 || this.#closed) return
    this.#reporting = true
    try {
      while (this.#health.size > 0 && !this.#closed) {
        const found = new Map(this.#health)
        const draft = (view: View): Draft | undefined => {
          const members = changed(view.members, found)
          return members.length > 0 ? { members } : undefined
        }
        if (!(await this.#parts.replica.change(draft, this.term))) return
        for (const [id, health] of found) {
          if (this.#health.get(id) === health) this.#health.delete(id)
        }
      }
    } finally {
      this.#reporting = false
    }
  }
}

/** The members that are not as they were found, as they should be. */
function changed(
  members: ReadonlyMap<string, Member>,
  found: ReadonlyMap<string, Health & { incarnation: number }>,
): Member[] {
  const rows: Member[] = []
  for (const [id, { incarnation, status, ready, failures }] of found) {
    const member = members.get(id)
    if (member?.incarnation !== incarnation) continue
    const same = member.status === status && member.ready === ready && member.failures === failures
    if (!same) rows.push({ ...member, status, ready, failures })
  }
  return rows
}

/** How long counters have stood still, on this process's monotonic clock. */
class Standstill {
  readonly #seen = new Map<string, { count: string; at: number }>()

  /** Milliseconds since `count` was first seen for `name`. */
  since(name: string, count: string, now: number): number {
    const seen = this.#seen.get(name)
    if (seen?.count === count) return now - seen.at
    this.#seen.set(name, { count, at: now })
    return 0
  }

  /** Forgets all other names. */
  keep(names: readonly string[]): void {
    const kept = new Set(names)
    for (const name of this.#seen.keys()) if (!kept.has(name)) this.#seen.delete(name)
  }
}
