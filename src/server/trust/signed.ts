import { createHash } from 'node:crypto'
import { Transform } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { skerryError } from '../../core/errors.ts'
import type { Principal } from '../access/access.ts'

/** A node of the cluster, known by its signature: it may do everything. */
export class ClusterPrincipal implements Principal {
  readonly name = 'cluster'
  readonly anonymous = false
  readonly authenticated = true
  /** What the body of its request must have as digest. */
  readonly bodyDigest: string

  constructor(bodyDigest: string) {
    this.bodyDigest = bodyDigest
  }

  may(): boolean {
    return true
  }
}

/** Refuses a signed request whose body is not the one that was signed, before a route sees it whole. */
export function checkSignedBodies(app: FastifyInstance): void {
  app.addHook('preParsing', (request, _reply, payload, done) => {
    const { principal } = request
    if (!(principal instanceof ClusterPrincipal)) return done(null, payload)
    const { headers } = request
    const empty = headers['content-length'] === undefined && !headers['transfer-encoding']
    if (empty) {
      if (principal.bodyDigest !== EMPTY_DIGEST) throw tampered()
      return done(null, payload)
    }
    done(null, payload.pipe(checked(principal.bodyDigest)))
  })
}

const EMPTY_DIGEST = createHash('sha256').digest('hex')

function checked(digest: string): Transform {
  const sum = createHash('sha256')
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      sum.update(piece)
      done(null, piece)
    },
    flush(done) {
      done(sum.digest('hex') === digest ? null : tampered())
    },
  })
}

function tampered() {
  return skerryError('UNAUTHENTICATED', 'its body is not the one that was signed')
}
