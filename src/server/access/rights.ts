import { assertKey, covers, EVERYTHING } from '../../core/path.ts'
import { type Principal, type Verb, VERBS } from './access.ts'

/** Some verbs on some paths. */
export interface Right {
  /** What may be done. */
  readonly verbs: readonly Verb[]
  /** With what: paths, globs, or `**` for everything. Default `['**']`. */
  readonly paths?: readonly string[]
}

/** The most rights that one principal can have, and the most paths that one right can name. */
const MAX_RIGHTS = 256

/** JSON Schema of a list of rights. */
export const rightsSchema = {
  type: 'array',
  maxItems: MAX_RIGHTS,
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['verbs'],
    properties: {
      verbs: { type: 'array', items: { enum: VERBS }, uniqueItems: true },
      paths: { type: 'array', items: { type: 'string' }, maxItems: MAX_RIGHTS },
    },
  },
}

/** Somebody with a name and a list of rights. */
export class Holder implements Principal {
  readonly name: string
  readonly authenticated: boolean
  readonly anonymous: boolean
  readonly #paths: Readonly<Record<Verb, readonly string[]>>

  /**
   * @param rights checked against {@link rightsSchema}
   * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED if a right names no path or glob
   */
  constructor(name: string, rights: readonly Right[], anonymous = false) {
    this.name = name
    this.authenticated = !anonymous
    this.anonymous = anonymous
    const paths: Record<Verb, string[]> = { read: [], write: [], delete: [], admin: [] }
    for (const { verbs, paths: named = [EVERYTHING] } of rights) {
      named.forEach(assertKey)
      for (const verb of verbs) paths[verb].push(...named)
    }
    this.#paths = paths
  }

  may(verb: Verb, pattern: string): boolean {
    for (const path of this.#paths[verb]) if (covers(path, pattern)) return true
    return false
  }
}
