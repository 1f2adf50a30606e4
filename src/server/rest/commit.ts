import type { FastifyReply } from 'fastify'
import type { Commitment } from '../../core/commitment.ts'
import { skerryError } from '../../core/errors.ts'
import type { CommitOptions, Performed } from '../../state/commitment.ts'

const WHOLE = /^\d{1,9}$/

/**
 * What a write asks of other nodes by its query: `commit` and `timeoutMs`. Other parameters are left alone.
 * @throws SKERRY_COMMIT_INVALID if one is given twice; the values are checked where the write is done
 */
export function commitOf(query: URLSearchParams): CommitOptions {
  const level = single(query, 'commit')
  const timeout = single(query, 'timeoutMs')
  return {
    ...(level !== undefined && { commit: level as NonNullable<CommitOptions['commit']> }),
    ...(timeout !== undefined && { commitTimeoutMs: WHOLE.test(timeout) ? Number(timeout) : NaN }),
  }
}

function single(query: URLSearchParams, name: string): string | undefined {
  const values = query.getAll(name)
  if (values.length > 1) throw skerryError('COMMIT_INVALID', `give ${name} once`)
  return values[0]
}

/**
 * Waits for other nodes as far as that was asked for. If they did not have it in time, the answer becomes a 202, and
 * what resolves says who has it.
 */
export async function shortOf(
  reply: FastifyReply,
  { commitment }: Performed<unknown>,
): Promise<Pick<Commitment, 'committed' | 'missing'> | undefined> {
  const found = await commitment
  if (found === undefined || found.reached) return undefined
  void reply.code(202)
  const { committed, missing } = found
  return { committed, missing }
}
