import { Ajv } from 'ajv'
import { hash, timingSafeEqual } from 'node:crypto'
import type { Principal } from './access.ts'
import { Holder, type Right, rightsSchema } from './rights.ts'

/** The most tokens that a file can hold. */
const MAX_TOKENS = 10_000

/** Tokens that can be guessed are no tokens: the fewest characters of one. */
const MIN_TOKEN_LENGTH = 16

/** JSON Schema of a token file; `docs/token-file.schema.json` is its published copy. */
export const tokenFileSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Tokens of a Skerry node',
  type: 'object',
  additionalProperties: false,
  required: ['tokens'],
  properties: {
    $schema: { type: 'string' },
    tokens: {
      type: 'array',
      maxItems: MAX_TOKENS,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'rights'],
        oneOf: [{ required: ['token'] }, { required: ['sha256'] }],
        properties: {
          name: { type: 'string', minLength: 1, maxLength: 128 },
          token: {
            description: 'the token itself',
            type: 'string',
            minLength: MIN_TOKEN_LENGTH,
            pattern: '^[A-Za-z0-9._~+/-]+=*$',
          },
          sha256: {
            description: 'or its SHA-256 in hex, so that the file gives no token away',
            type: 'string',
            pattern: '^[0-9a-fA-F]{64}$',
          },
          rights: rightsSchema,
        },
      },
    },
    anonymous: {
      description: 'what may be done without a token; by default nothing',
      ...rightsSchema,
    },
  },
}

interface TokenFile {
  readonly tokens: readonly {
    readonly name: string
    readonly token?: string
    readonly sha256?: string
    readonly rights: readonly Right[]
  }[]
  readonly anonymous?: readonly Right[]
}

const valid = new Ajv({ allowUnionTypes: true, strictRequired: false }).compile<TokenFile>(
  tokenFileSchema,
)

/** Tokens with their principals, as one file has them. */
export class Tokens {
  readonly #principals = new Map<string, { digest: Buffer; principal: Principal }>()
  /** Who brings no token, if they may do anything at all. */
  readonly anonymous: Principal | undefined

  /**
   * @param text of a token file
   * @throws Error saying what is wrong with it, without naming any token
   */
  constructor(text: string) {
    const { tokens, anonymous } = parse(text)
    for (const { name, token, sha256, rights } of tokens) {
      const digest = token === undefined ? Buffer.from(sha256!, 'hex') : digestOf(token)
      const key = digest.toString('hex')
      if (this.#principals.has(key)) throw new Error(`'${name}' has a token that is there already`)
      this.#principals.set(key, { digest, principal: new Holder(name, rights) })
    }
    if (anonymous !== undefined) this.anonymous = new Holder('anonymous', anonymous, true)
  }

  /**
   * Whose token it is, if anybody's. Digests are looked up and compared, never tokens, so how long it takes
   * tells nothing about any of them.
   */
  principalOf(token: string): Principal | undefined {
    const digest = digestOf(token)
    const found = this.#principals.get(digest.toString('hex'))
    return found !== undefined && timingSafeEqual(found.digest, digest)
      ? found.principal
      : undefined
  }
}

function digestOf(token: string): Buffer {
  return hash('sha256', token, 'buffer')
}

function parse(text: string): TokenFile {
  let file: unknown
  try {
    file = JSON.parse(text)
  } catch {
    // What JSON.parse says quotes the text.
    throw new Error('it is not JSON')
  }
  if (valid(file)) return file
  const [fault] = valid.errors ?? []
  throw new Error(`${fault?.instancePath || 'it'} ${fault?.message ?? 'is not valid'}`)
}
