import { isIPv6 } from 'node:net'
import type { Principal } from './access.ts'

/** Groups of an IPv6 address that tell one subscriber line from the next: a /64. */
const IPV6_GROUPS = 4

/**
 * What tells clients apart where nobody has to say who they are: an IPv4 address, or the /64 of an IPv6
 * address, since whoever has one has all of it.
 */
export function addressOf(remote: string | undefined): string {
  if (remote === undefined) return 'gone'
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remote)
  if (mapped !== null) return mapped[1]!
  if (!isIPv6(remote)) return remote
  const [head = '', tail] = remote.split('%', 1)[0]!.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length
  const groups = [...front, ...Array<string>(zeros).fill('0'), ...back]
  return `${groups.slice(0, IPV6_GROUPS).join(':')}::/64`
}

/** What limits of a client go by: whose token it is, or where it is if that says nothing. */
export function clientOf(principal: Principal, remote: string | undefined): string {
  return principal.authenticated ? `principal ${principal.name}` : addressOf(remote)
}

/** Counts what each client holds, up to a bound. */
export class Holdings {
  readonly #max: number
  readonly #counts = new Map<string, number>()

  /** @param max how many one client may hold */
  constructor(max: number) {
    this.#max = max
  }

  /** Takes one more for the client; false if that would be beyond the bound. */
  take(client: string): boolean {
    const count = this.#counts.get(client) ?? 0
    if (count >= this.#max) return false
    this.#counts.set(client, count + 1)
    return true
  }

  /** Gives one back. */
  release(client: string): void {
    const count = this.#counts.get(client)! - 1
    if (count === 0) this.#counts.delete(client)
    else this.#counts.set(client, count)
  }
}
