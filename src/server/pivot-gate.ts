import type { FastifyRequest } from 'fastify'
import { assertMay, type Verb } from './access.ts'

/**
 * The one place where requests of the pivot protocol are let in. Go nodes bring no credentials, so a node that asks
 * for some lets them in by their address or not at all.
 */
export interface PivotGate {
  /**
   * @param pattern the path or key that the request is about
   * @throws SKERRY_UNAUTHENTICATED, SKERRY_FORBIDDEN
   */
  admit(request: FastifyRequest, verb: Verb, pattern: string): void | Promise<void>
}

/** Goes by the rights of whoever asks, as every other route does. */
export const principalGate: PivotGate = {
  admit: (request, verb, pattern) => assertMay(request.principal, verb, pattern),
}
