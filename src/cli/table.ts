/** Rows in columns, each column as wide as its widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  }
  return rows.map((row) => {
    const cells = row.map((cell, at) => cell.padEnd(widths[at]!))
    return cells.join('  ').trimEnd()
  })
}
