import type { Member, MemberStatus } from './member.ts'

/** How a member is. */
export interface NodeHealth {
  readonly status: MemberStatus
  /** False while its health check answers 503. */
  readonly ready: boolean
  readonly draining: boolean
  /** Misses in a row. */
  readonly failures: number
}

/** What operators see of a cluster. */
export interface ClusterStatus {
  /** Of this process. */
  readonly id: string
  /** The id of the monitor that leads; empty while there is none. */
  readonly leader: string
  readonly term: number
  readonly version: number
  /** The registry restarted: for one lease, no new rights are given. */
  readonly recovering: boolean
  readonly members: readonly (Member & { readonly slots: number })[]
}
