import { skerryError } from '../../core/errors.ts'
import type { Range } from '../../state/range.ts'

const WHOLE = /^\d{1,19}$/

/**
 * The range of a list that a query asks for: `limit`, `from`, `to` and `order`. Other parameters are left alone.
 * @throws SKERRY_RANGE_INVALID
 */
export function rangeOf(query: URLSearchParams): Range {
  const limit = single(query, 'limit')
  const from = single(query, 'from')
  const to = single(query, 'to')
  const order = single(query, 'order')
  return {
    // What is no number is refused where the range is checked.
    ...(limit !== undefined && { limit: WHOLE.test(limit) ? Number(limit) : NaN }),
    ...(from !== undefined && { from: nanoseconds('from', from) }),
    ...(to !== undefined && { to: nanoseconds('to', to) }),
    ...(order !== undefined && { order: order as 'asc' | 'desc' }),
  }
}

function single(query: URLSearchParams, name: string): string | undefined {
  const values = query.getAll(name)
  if (values.length > 1) throw skerryError('RANGE_INVALID', name, values.join(), 'give it once')
  return values[0]
}

function nanoseconds(name: string, text: string): bigint {
  if (WHOLE.test(text)) return BigInt(text)
  throw skerryError('RANGE_INVALID', name, text, 'use whole nanoseconds since the epoch')
}
