// @ts-expect-error its types say `export =`, but what it exports is the default
import ooo from 'ooo-client'

// The page of ooo-client.test.ts: what an application does with ooo-client, driven from outside.

// ky 0.31, which ooo-client calls, writes to `duplex` of its requests. Since browsers have that property
// themselves, read-only, it throws; an application that stays with ooo-client 1.0.0 needs this line too.
delete (Request.prototype as { duplex?: unknown }).duplex

interface Instance {
  cache: unknown
  version: string | null
  reconnectInterval: number
  readyState: number
  frozen: boolean
  onmessage(data: unknown): void
  onopen(event: unknown): void
  onclose(event: unknown): void
  onfrozen(event: unknown): void
  onresume(event: unknown): void
  close(reload?: boolean): boolean
  get(key: string): Promise<unknown>
  publish(key: string, data: unknown): Promise<string>
  unpublish(key: string): Promise<unknown>
  stats(): Promise<unknown>
}

type Connect = (url?: string, ssl?: boolean, protocols?: string[]) => Instance

/** One instance of the client, and all that it told its application. */
class Session {
  readonly client: Instance
  readonly seen: unknown[] = []
  readonly events: string[] = []

  constructor(url: string, protocols: string[]) {
    this.client = (ooo as unknown as Connect)(url, false, protocols)
    // Its three seconds would only make the tests longer.
    this.client.reconnectInterval = 20
    this.client.onmessage = (data) => this.seen.push(JSON.parse(JSON.stringify(data)))
    for (const name of ['onopen', 'onclose', 'onfrozen', 'onresume'] as const) {
      this.client[name] = () => void this.events.push(name)
    }
  }
}

const sessions: Session[] = []

/** What the test calls in the page. */
const driver = {
  open: (url: string, protocols: string[] = []) => sessions.push(new Session(url, protocols)) - 1,
  seen: (at: number) => sessions[at]!.seen,
  count: (at: number) => sessions[at]!.seen.length,
  last: (at: number) => sessions[at]!.seen.at(-1),
  cache: (at: number) => sessions[at]!.client.cache,
  events: (at: number) => sessions[at]!.events,
  close: (at: number) => sessions[at]!.client.close(),
  get: (at: number, key: string) => sessions[at]!.client.get(key),
  publish: (at: number, key: string, data: unknown) => sessions[at]!.client.publish(key, data),
  unpublish: (at: number, key: string) => sessions[at]!.client.unpublish(key).then(() => true),
  stats: (at: number) => sessions[at]!.client.stats(),
}

export type OooDriver = typeof driver

Object.assign(globalThis, { driver })
