import { BlockList, isIP } from 'node:net'
import { skerryError } from '../../core/errors.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** True if only this machine reaches a node that listens there. */
export function isLoopback(host: string): boolean {
  const version = isIP(host)
  if (version === 0) return host === 'localhost'
  return loopback.check(host, version === 6 ? 'ipv6' : 'ipv4')
}

/** The most names that are remembered as good. */
const MAX_REMEMBERED = 64

/**
 * By which names a node on loopback may be called. Without it a page could have its own name resolve to
 * 127.0.0.1 (DNS rebinding) and would then be of the same origin as the node.
 */
export class HostPolicy {
  readonly #allowed: ReadonlySet<string>
  readonly #anyName: boolean
  readonly #remembered = new Set<string>()

  /**
   * @param host what the node listens on: only on loopback are names checked
   * @param allowed names besides those of loopback, without a port; `*` allows all
   */
  constructor(host: string, allowed: readonly string[]) {
    this.#allowed = new Set(allowed.map((name) => name.toLowerCase()))
    this.#anyName = !isLoopback(host) || this.#allowed.has('*')
  }

  /**
   * @param host the header of a request
   * @throws SKERRY_HOST_REFUSED
   */
  assertPermitted(host: string | undefined): void {
    if (this.#anyName || host === undefined || this.#remembered.has(host)) return
    const name = nameOf(host.toLowerCase())
    if (!isLoopback(name) && !name.endsWith('.localhost') && !this.#allowed.has(name)) {
      throw skerryError('HOST_REFUSED', host)
    }
    if (this.#remembered.size < MAX_REMEMBERED) this.#remembered.add(host)
  }
}

/** `localhost:8800` → `localhost`, `[::1]:8800` → `::1`. */
function nameOf(host: string): string {
  return host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
}
