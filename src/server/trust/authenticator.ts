import type { Asked, Authenticator, Principal } from '../access/access.ts'
import { SIGNATURE_SCHEME, type SignatureCheck } from './signature.ts'
import { ClusterPrincipal } from './signed.ts'

/** Knows nodes of the cluster by their signatures, and leaves all others to another authenticator. */
export class SignedAuthenticator implements Authenticator {
  readonly #signatures: SignatureCheck
  readonly #others: Authenticator

  constructor(signatures: SignatureCheck, others: Authenticator) {
    this.#signatures = signatures
    this.#others = others
  }

  principalOf(asked: Asked): Principal | Promise<Principal> {
    const { authorization = '' } = asked.headers
    if (!authorization.startsWith(`${SIGNATURE_SCHEME} `)) return this.#others.principalOf(asked)
    const { method = '', url = '' } = asked
    return new ClusterPrincipal(this.#signatures.verify(authorization, { method, target: url }))
  }
}
