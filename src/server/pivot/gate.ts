import type { FastifyRequest } from 'fastify'
import { type BlockList, isIP } from 'node:net'
import { skerryError } from '../../core/errors.ts'
import { assertMay, type Authenticator, type Verb } from '../access/access.ts'
import { ClusterPrincipal } from '../trust/signed.ts'

/**
 * The one place where requests of the pivot protocol are let in. Go nodes bring no credentials, so a node that asks
 * for some lets them in by their address or not at all.
 */
export interface PivotGate {
  /** True if it tells by itself who asks, also on routes that tell and change nothing. */
  readonly signed: boolean
  /**
   * Looks at every request of the protocol, before its body has come.
   * @throws SKERRY_UNAUTHENTICATED
   */
  enter(request: FastifyRequest): Promise<void>
  /**
   * @param pattern the path or key that the request is about
   * @throws SKERRY_UNAUTHENTICATED, SKERRY_FORBIDDEN
   */
  admit(request: FastifyRequest, verb: Verb, pattern: string): void | Promise<void>
}

/** Goes by the rights of whoever asks, as every other route does. */
export const principalGate: PivotGate = {
  signed: false,
  enter: () => Promise.resolve(),
  admit: (request, verb, pattern) => assertMay(request.principal, verb, pattern),
}

/**
 * Lets in who signs with the cluster secret, and who calls from an address that need not.
 * @param unsigned addresses of Go nodes
 */
export function signedGate(authenticator: Authenticator, unsigned: BlockList): PivotGate {
  return {
    signed: true,
    async enter(request) {
      const { ip } = request
      if (unsigned.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4')) return
      const principal = await authenticator.principalOf(request.raw)
      if (!(principal instanceof ClusterPrincipal)) {
        throw skerryError('UNAUTHENTICATED', 'it is not signed with the cluster secret')
      }
      request.principal = principal
    },
    admit: () => undefined,
  }
}
