import { createRing } from './ring.ts'
import type { RingOptions } from './ring.ts'
import { rebalance } from './table.ts'
import type { Share } from './table.ts'

/** Computes a table for some members from the one they had. */
export type Dealer = (owners: readonly string[], shares: readonly Share[]) => readonly string[]

/** Deals slots out as the options of a cluster ask. */
export function dealerFor({ algorithm, virtualNodes, balanceFactor }: Dealing): Dealer {
  if (algorithm === 'slots') {
    return (owners, shares) => rebalance(owners, shares, balanceFactor)
  }
  return (owners, shares) => {
    const ring = createRing({ algorithm, virtualNodes })
    for (const share of shares) ring.add(share)
    return owners.map((_, slot) => ring.getNode(`slot ${slot}`)!)
  }
}

type Dealing = Required<Pick<RingOptions, 'algorithm' | 'virtualNodes' | 'balanceFactor'>>
