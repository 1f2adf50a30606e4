// What the client needs of the machine it runs on, by shape: so its types need neither those of browsers nor those
// of Node, and tests hand in their own.

/** A WebSocket, as browsers, Node 22 and the package `ws` have it. */
export interface SocketLike {
  readonly readyState: number
  send(text: string): void
  close(code?: number, reason?: string): void
  addEventListener(type: 'message' | 'close' | 'error', listener: (event: object) => void): void
}

/** Makes WebSockets. */
export type SocketClass = new (url: string, protocols?: string[]) => SocketLike

/** Something that tells of events: a window, a document, a worker. */
export interface EventSource {
  addEventListener(type: string, listener: () => void): void
  removeEventListener(type: string, listener: () => void): void
}

/** Locks shared by all pages of an origin. */
export interface Locks {
  request<T>(name: string, options: { signal: AbortSignal }, run: () => Promise<T>): Promise<T>
}

/** A way to tell other pages of the origin. */
export interface Broadcast {
  postMessage(message: unknown): void
  addEventListener(type: 'message', listener: () => void): void
  close(): void
}

interface Globals {
  readonly WebSocket?: SocketClass
  readonly document?: EventSource & { readonly visibilityState: string }
  readonly navigator?: { readonly locks?: Locks; readonly onLine?: boolean }
  readonly BroadcastChannel?: new (name: string) => Broadcast
  readonly indexedDB?: unknown
  addEventListener?: EventSource['addEventListener']
  removeEventListener?: EventSource['removeEventListener']
}

export const globals = globalThis as unknown as Globals

/** Wall time in nanoseconds since the Unix epoch. */
export function wallClock(): bigint {
  return BigInt(Date.now()) * 1_000_000n
}

/** Calls back once after a while; returns how to cancel that. */
export function after(delayMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delayMs)
  return () => clearTimeout(timer)
}

/** So many random hex digits. */
export function randomHex(digits: number): string {
  let text = ''
  const values = crypto.getRandomValues(new Uint8Array(Math.ceil(digits / 2)))
  for (const value of values) text += value.toString(16).padStart(2, '0')
  return text.slice(0, digits)
}
