import * as skerry from '../../../src/client.ts'

// The page of client.test.ts: an application that uses skerry/client, driven from outside.

/** Data without bigints, which can't leave the page. */
type Shown = { path: string; data: unknown; created: string; pending: boolean }

let client: skerry.Client
const watched = new Map<string, skerry.Watch<unknown>>()

function shown(value: unknown): Shown[] | null | undefined {
  if (value === undefined || value === null) return value
  const entries = (Array.isArray(value) ? value : [value]) as skerry.Entry[]
  return entries.map(({ path, data, created, pending = false }) => {
    return { path, data, created: `${created}`, pending }
  })
}

/** What the test calls in the page. */
const driver = {
  connect: (host: string, offline: boolean) => void (client = skerry.connect(host, { offline })),
  watch: (path: string) => void watched.set(path, client.watch(path)),
  value: (path: string) => shown(watched.get(path)!.value),
  live: (path: string) => watched.get(path)!.live,
  set: (path: string, data: unknown) => client.set(path, data),
  push: (glob: string, data: unknown) => client.push(glob, data),
  get: async (path: string) => shown(await client.get(path)),
  state: () => {
    const { online, pending, lastError, refused } = client.sync.state
    return { online, pending, refused: refused.length, lastError: lastError?.code }
  },
  failure: (path: string, data: unknown) =>
    client.set(path, data).then(
      () => undefined,
      (error: unknown) => [(error as skerry.ClientError).code, client.sync.state.lastError?.code],
    ),
}

export type ClientDriver = typeof driver

Object.assign(globalThis, { driver })
