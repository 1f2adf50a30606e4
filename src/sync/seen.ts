import { type Acknowledgement, type Position, SEEN, type Store } from '../store/store.ts'
import type { Hello, Resume } from './messages.ts'

/** True of the peer's epoch, and of those before it that ended without any loss. */
export function isItsEpoch({ epoch, formerly }: Hello, other: string): boolean {
  return epoch === other || formerly.includes(other)
}

/** The checkpoint for the peer's feed, if it is of its present epoch. */
export function checkpointOf(store: Store, peer: Hello, key: string): Position | undefined {
  const position = store.checkpoint(peer.nodeId, key)
  return position?.epoch === peer.epoch ? position : undefined
}

/** True of this store's epoch, and of those before it that ended without any loss. */
export function isOwnEpoch({ epoch, formerly }: Store, other: string): boolean {
  return epoch === other || formerly.includes(other)
}

/**
 * How far the peer, in its present epoch or one before, acknowledged this store's feed: up to nothing, if that was
 * of a history that was lost since; undefined if nothing is known of its epoch.
 */
export function heardOf(
  store: Store,
  peer: Hello,
  key: string,
): Pick<Acknowledgement, 'epoch' | 'seq'> | undefined {
  const said = store.acknowledged(peer.nodeId, key)
  if (said === undefined || !isItsEpoch(peer, said.epoch)) return undefined
  return { epoch: said.epoch, seq: isOwnEpoch(store, said.ownEpoch) ? said.seq : 0 }
}

/**
 * What is known here of the peer's history: it must have all of that, or it was taken back, and lacks what it sent
 * since. That holds for its former epochs too, which it may have ended after that had happened.
 */
export function resumeOf(store: Store, peer: Hello, keys: readonly string[]): Resume {
  const known = (key: string): Position | undefined => {
    const position = store.checkpoint(peer.nodeId, key)
    return position !== undefined && isItsEpoch(peer, position.epoch) ? position : undefined
  }
  const later = epochLeft(store, peer, keys)
  const positions = keys.map((key) => {
    // No store was ever there: whoever names it says that the epoch went on elsewhere.
    if (later !== undefined) return { epoch: peer.epoch, run: later, seq: Number.MAX_SAFE_INTEGER }
    return known(key)
  })
  return { kind: 'resume', positions, seen: known(SEEN) }
}

/** True if the position proves that this store was taken back. */
export function provesRewind(store: Store, position: Position | undefined): boolean {
  if (position === undefined || store.knows(position)) return false
  return isOwnEpoch(store, position.epoch)
}

/**
 * The epoch under which the peer was seen here after it had left the present one, if it did: no store returns to
 * one, unless it is taken back.
 */
function epochLeft(store: Store, peer: Hello, keys: readonly string[]): string | undefined {
  const seen = store.checkpoint(peer.nodeId, SEEN)
  if (seen === undefined || isItsEpoch(peer, seen.epoch)) return undefined
  const wasThere = keys.some(
    (key) =>
      checkpointOf(store, peer, key) !== undefined ||
      store.acknowledged(peer.nodeId, key)?.epoch === peer.epoch,
  )
  return wasThere ? seen.epoch : undefined
}
