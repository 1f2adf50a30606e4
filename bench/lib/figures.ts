/** The value below which the share `p` of the values lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))]!
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** Prints ours beside the limit or peer, and the ratio. */
export function printRatio(
  what: string,
  { ours, theirs, peer, unit }: { ours: number; theirs: number; peer: string; unit: string },
): void {
  const ratio = (ours / theirs).toFixed(2)
  console.log(`${what}: ${round(ours)} ${unit}; ${peer}: ${round(theirs)} ${unit}; ratio ${ratio}`)
}

function round(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}
