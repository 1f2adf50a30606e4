import type { SkerryError } from '../core/errors.ts'

/** What happened between this node and others, for those who run it. What repeats is told once. */
export type SyncEvent =
  | {
      /** Changes flow in both directions. */
      readonly type: 'linked'
      readonly peer: string
      /** The address, if this node opened the link. */
      readonly url: string | undefined
      readonly keys: readonly string[]
      /** The peer's clock minus this node's, in milliseconds. */
      readonly clockOffsetMs: number
    }
  | {
      /** The peer's clock and this node's are further apart than clocks may be, while they are linked. */
      readonly type: 'drifted'
      readonly peer: string
      /** The peer's clock minus this node's, in milliseconds. */
      readonly clockOffsetMs: number
    }
  | {
      /** The two clocks are together again. */
      readonly type: 'steadied'
      readonly peer: string
      /** The peer's clock minus this node's, in milliseconds. */
      readonly clockOffsetMs: number
    }
  | {
      readonly type: 'unlinked'
      readonly peer: string
      readonly url: string | undefined
      readonly reason: SkerryError
    }
  | {
      /** No link came about with the node at this address, for a reason that was not told before; it is tried on. */
      readonly type: 'unreached'
      readonly url: string
      readonly reason: string
    }
  | {
      /** Somebody else says to be this peer, which is linked: one of the two has a copied data directory. */
      readonly type: 'cloned'
      readonly peer: string
    }
  | {
      /** This node has begun a new history: its data was rewound, or its clock put right. */
      readonly type: 'renewed'
      readonly epoch: string
    }
