import { murmur3 } from './ring/hash.ts'
import type { Member, MemberStatus } from './member.ts'

export interface DetectorOptions {
  /** Between two probes of one member. */
  readonly intervalMs: number
  /** Until an unanswered probe counts as a miss. */
  readonly timeoutMs: number
  /** Probes that are being opened at one time. */
  readonly concurrency: number
  /** Consecutive misses until a member is dead. */
  readonly maxFailures: number
}

/** What a probe brought. `unready`: the member answers that it takes no work now (503). */
export type ProbeOutcome = 'alive' | 'unready' | 'missed'

/** What the detector wants done. */
export type DetectorEffect =
  /** Probe the member; report with `answered`, the outcome `missed` at the latest by timeout. */
  | { readonly kind: 'probe'; readonly id: string; readonly incarnation: number }
  /** Ask the other monitors whether they can reach the member; report with `vouched`. */
  | { readonly kind: 'ask'; readonly id: string; readonly incarnation: number }
  /** Make known how the member is. */
  | ({ readonly kind: 'health'; readonly id: string; readonly incarnation: number } & Health)

export interface Health {
  readonly status: MemberStatus
  readonly ready: boolean
  readonly failures: number
}

/** Lifeguard's upper bound of the local health score. */
const SCORE_MAX = 7
/** Rounds of nearly nothing but failures until this monitor believes what it sees. */
const DISBELIEF_ROUNDS = 3
/** Nearly everything fails: this share, of at least so many members. */
const BROAD_SHARE = 0.75
const BROAD_MEMBERS_MIN = 4
/** A probe that hangs gives its lane back after this share of its deadline, and hinders nobody. */
const LANE_SHARE = 0.1
/** A deadline that is noticed later than this share of it says more about us than about the peer. */
const LATE_SHARE = 0.25

/**
 * Decides who is alive, after Lifeguard (Dadgar et al., 2018; hashicorp/memberlist) fitted to a
 * monitor that probes by HTTP: every probe has its own deadline, only consecutive misses count, a
 * second opinion is asked before a member is dead, and a monitor that is unwell itself (its event
 * loop lags, or nearly everything fails at once) stretches its probes instead of accusing.
 *
 * Pure: it takes `now` (monotonic milliseconds) and returns what to do.
 *
 *     alive ──miss──▶ suspect ──maxFailures misses, nobody vouches──▶ dead
 *       ▲────────────answer───────┴────────────────answer──────────────┘
 */
export class Detector {
  readonly #options: DetectorOptions
  readonly #patients = new Map<string, Patient>()
  #effects: DetectorEffect[] = []
  #score = 0
  #lagged = false
  #roundEndsAt: number | undefined

  constructor(options: DetectorOptions) {
    this.#options = options
  }

  /** Local health: 0 is well, 7 is worst. Probes come at `intervalMs × (1 + score)`. */
  get score(): number {
    return this.#score
  }

  /** The members as the registry has them now. */
  watch(members: Iterable<Member>, now: number): void {
    const gone = new Set(this.#patients.keys())
    for (const member of members) {
      gone.delete(member.id)
      const known = this.#patients.get(member.id)
      if (known?.incarnation === member.incarnation) continue
      this.#patients.set(member.id, newPatient(member, this.#firstProbeAt(member.id, now)))
    }
    for (const id of gone) this.#patients.delete(id)
  }

  /** What is due. Call it often compared with the interval: probes are spread that finely. */
  tick(now: number): DetectorEffect[] {
    this.#endRound(now)
    const due: Patient[] = []
    let lanes = this.#options.concurrency
    for (const patient of this.#patients.values()) {
      if (patient.sentAt !== undefined) {
        if (now - patient.sentAt < this.#options.timeoutMs * LANE_SHARE) lanes--
      } else if (patient.probeAt <= now) due.push(patient)
      if (patient.condemnedAt !== undefined && patient.condemnedAt <= now) this.#condemn(patient)
    }
    due.sort((a, b) => a.probeAt - b.probeAt)
    for (const patient of due.slice(0, Math.max(0, lanes))) this.#probe(patient, now)
    return this.#take()
  }

  /** A probe of this member has ended. */
  answered(id: string, incarnation: number, outcome: ProbeOutcome, now: number): DetectorEffect[] {
    const patient = this.#patients.get(id)
    const sentAt = patient?.sentAt
    if (patient?.incarnation !== incarnation || sentAt === undefined) return []
    const { timeoutMs } = this.#options
    const late = now - sentAt > timeoutMs * (1 + LATE_SHARE)
    const inconclusive = patient.tainted || late
    if (outcome === 'missed' && late) this.#lagged = true
    patient.sentAt = undefined
    patient.tainted = false
    if (outcome !== 'missed') this.#recover(patient, outcome === 'alive')
    else if (!inconclusive) this.#miss(patient, now)
    else if (patient.condemnedAt === undefined) patient.askedAt = undefined
    return this.#take()
  }

  /** Another monitor reached the member: it lives, whatever this one's path to it says. */
  vouched(id: string, incarnation: number): void {
    const patient = this.#patients.get(id)
    if (patient?.incarnation !== incarnation || patient.status !== 'suspect') return
    if (patient.askedAt === undefined && patient.condemnedAt === undefined) return
    patient.vouched = true
  }

  /** This process stood still for `lagMs`: misses of probes then in flight prove nothing. */
  lagged(lagMs: number): void {
    if (lagMs < this.#options.timeoutMs * LATE_SHARE) return
    this.#lagged = true
    for (const patient of this.#patients.values()) patient.tainted = patient.sentAt !== undefined
  }

  #probe(patient: Patient, now: number): void {
    const { id, incarnation } = patient
    const { intervalMs, maxFailures } = this.#options
    patient.sentAt = now
    const stretched = intervalMs * (1 + this.#score)
    // Keeps to its own beat, so that members stay spread over the interval, unless far behind.
    patient.probeAt = Math.max(patient.probeAt + stretched, now + stretched / 2)
    this.#effects.push({ kind: 'probe', id, incarnation })
    const mayBeLast = patient.failures > 0 && patient.failures >= maxFailures - 1
    const asks = patient.status === 'suspect' && mayBeLast && patient.askedAt === undefined
    if (asks) this.#ask(patient, now)
  }

  #ask(patient: Patient, now: number): void {
    patient.askedAt = now
    patient.vouched = false
    this.#effects.push({ kind: 'ask', id: patient.id, incarnation: patient.incarnation })
  }

  #miss(patient: Patient, now: number): void {
    // While the others are asked, its case is open: more misses add nothing.
    if (patient.status === 'dead' || patient.condemnedAt !== undefined) return
    patient.failures++
    patient.status = 'suspect'
    this.#report(patient)
    if (patient.failures < this.#options.maxFailures) return
    if (patient.askedAt === undefined) this.#ask(patient, now)
    patient.condemnedAt = patient.askedAt! + this.#options.timeoutMs
    if (patient.condemnedAt <= now) this.#condemn(patient)
  }

  /** The others had their time to vouch for it. */
  #condemn(patient: Patient): void {
    patient.condemnedAt = undefined
    patient.askedAt = undefined
    if (patient.vouched || this.#disbelieves()) {
      patient.vouched = false
      patient.failures = Math.max(1, this.#options.maxFailures - 1)
      return
    }
    patient.status = 'dead'
    this.#report(patient)
  }

  #recover(patient: Patient, ready: boolean): void {
    const changed = patient.status !== 'alive' || patient.failures > 0 || patient.ready !== ready
    Object.assign(patient, { ...WELL, ready })
    if (changed) this.#report(patient)
  }

  #report({ id, incarnation, status, ready, failures }: Patient): void {
    this.#effects.push({ kind: 'health', id, incarnation, status, ready, failures })
  }

  /** Once per interval, as Lifeguard: a bad round raises the score, a good one lowers it. */
  #endRound(now: number): void {
    this.#roundEndsAt ??= now + this.#options.intervalMs
    if (now < this.#roundEndsAt) return
    this.#roundEndsAt = now + this.#options.intervalMs
    const bad = this.#lagged || this.#failsBroadly()
    this.#score = Math.min(SCORE_MAX, Math.max(0, this.#score + (bad ? 1 : -1)))
    this.#lagged = false
  }

  #disbelieves(): boolean {
    return this.#failsBroadly() && this.#score < DISBELIEF_ROUNDS
  }

  #failsBroadly(): boolean {
    let counted = 0
    let failing = 0
    for (const { status } of this.#patients.values()) {
      if (status === 'dead') continue
      counted++
      if (status === 'suspect') failing++
    }
    return counted >= BROAD_MEMBERS_MIN && failing >= counted * BROAD_SHARE
  }

  /** Somewhere in the interval, the same for every monitor: no burst when a leader begins. */
  #firstProbeAt(id: string, now: number): number {
    return now + (murmur3(id) / 0x1_0000_0000) * this.#options.intervalMs
  }

  #take(): DetectorEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}

/** What the detector remembers of a member. */
interface Patient {
  readonly id: string
  readonly incarnation: number
  status: MemberStatus
  ready: boolean
  failures: number
  /** When its next probe is due. */
  probeAt: number
  /** When the probe in flight was sent. */
  sentAt: number | undefined
  /** A miss of the probe in flight proves nothing. */
  tainted: boolean
  /** When the others were asked about it. */
  askedAt: number | undefined
  vouched: boolean
  /** When its death is made known, unless it answers or somebody vouches for it. */
  condemnedAt: number | undefined
}

const WELL = {
  status: 'alive',
  failures: 0,
  askedAt: undefined,
  vouched: false,
  condemnedAt: undefined,
} as const

function newPatient(member: Member, probeAt: number): Patient {
  const { id, incarnation, status, ready, failures } = member
  const fresh = { ...WELL, sentAt: undefined, tainted: false, probeAt }
  return { ...fresh, id, incarnation, status, ready, failures }
}
