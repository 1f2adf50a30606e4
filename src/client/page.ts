import { type EventSource, globals } from './platform.ts'

/** What the machine says that matters to a connection. */
export interface PageListener {
  /** The page is put to sleep: nothing runs from here on. */
  frozen(): void
  /** It may be that the connection is gone, or can be had again: the page woke up, the network came or went. */
  stirred(): void
}

/** Follows the life of the page: frozen and resumed, shown again, online and offline. Elsewhere nothing happens. */
export function followPage(listener: PageListener): () => void {
  const { document } = globals
  const window = globals.addEventListener === undefined ? undefined : (globals as EventSource)
  const frozen = (): void => listener.frozen()
  const stirred = (): void => {
    if (document?.visibilityState !== 'hidden') listener.stirred()
  }
  const resumed = (): void => listener.stirred()
  const followed: [EventSource | undefined, string, () => void][] = [
    [document, 'freeze', frozen],
    [document, 'resume', resumed],
    [document, 'visibilitychange', stirred],
    // A page with an open socket can't be kept for going back.
    [window, 'pagehide', frozen],
    [window, 'pageshow', resumed],
    [window, 'online', resumed],
    [window, 'offline', resumed],
  ]
  for (const [source, type, run] of followed) source?.addEventListener(type, run)
  return () => {
    for (const [source, type, run] of followed) source?.removeEventListener(type, run)
  }
}
