import { useEffect, useState } from 'preact/hooks'
import { type ExactEntry, exactEntry } from './json.ts'
import { addressed, bodyOf, RequestError, requestErrorOf, type Session } from './session.ts'

/** An entry with the version that it has at its node. */
export interface HeldEntry extends ExactEntry {
  readonly version: string
}

/** What is known of a path. */
export interface Held {
  /** Undefined before anything is known; null where nothing is stored. */
  readonly entry: HeldEntry | null | undefined
  /** True while each change shows by itself. */
  readonly live: boolean
  readonly error: RequestError | undefined
}

const UNKNOWN: Held = { entry: undefined, live: false, error: undefined }

/** Follows what a path holds. The watch says that it changed; what it changed to is read exactly, with its version. */
export function useHeld(session: Session, path: string): Held & { readonly reload: () => void } {
  const [held, setHeld] = useState<Held>(UNKNOWN)
  const [follower, setFollower] = useState<Follower>()
  useEffect(() => {
    setHeld(UNKNOWN)
    const made = new Follower(session, path, (changes) =>
      setHeld((last) => ({ ...last, ...changes })),
    )
    setFollower(made)
    return () => made.close()
  }, [session, path])
  return { ...held, reload: () => follower?.read() }
}

/** How long the watch has for its first value, before it is read without it: some proxies let no sockets pass. */
const WATCH_PATIENCE_MS = 2000

class Follower {
  readonly #session: Session
  readonly #path: string
  readonly #tell: (changes: Partial<Held>) => void
  readonly #close: () => void
  #known: HeldEntry | null | undefined
  #reading = false
  #again = false
  #closed = false

  constructor(session: Session, path: string, tell: (changes: Partial<Held>) => void) {
    this.#session = session
    this.#path = path
    this.#tell = (changes) => void (this.#closed || tell(changes))
    const watch = session.client.watch(path)
    watch.listen(() => this.#tell({ live: watch.live }))
    const impatient = setTimeout(() => this.read(), WATCH_PATIENCE_MS)
    watch.subscribe(
      (entry) => {
        clearTimeout(impatient)
        if (entry === null) this.#missing()
        else this.read()
      },
      (error) => {
        clearTimeout(impatient)
        this.#tell({ error: requestErrorOf(error), live: false })
      },
    )
    this.#close = () => {
      clearTimeout(impatient)
      watch.close()
    }
  }

  /** Reads once more; what changes while a read is on its way is read after it. */
  read(): void {
    this.#again = true
    if (!this.#reading) void this.#readOn()
  }

  close(): void {
    this.#closed = true
    this.#close()
  }

  #missing(): void {
    this.#again = false
    this.#known = null
    this.#tell({ entry: null, error: undefined })
  }

  async #readOn(): Promise<void> {
    this.#reading = true
    while (this.#again && !this.#closed) {
      this.#again = false
      try {
        this.#known = await entryAt(this.#session, this.#path, this.#known)
        this.#tell({ entry: this.#known, error: undefined })
      } catch (error) {
        this.#tell({ error: requestErrorOf(error) })
      }
    }
    this.#reading = false
  }
}

/**
 * The entry at a path, or null where nothing is stored.
 * @param known what is known of it: not sent again if it is still that
 * @throws RequestError
 */
export async function entryAt(
  session: Session,
  path: string,
  known?: HeldEntry | null,
): Promise<HeldEntry | null> {
  const headers = new Headers()
  if (known) headers.set('if-none-match', `"${known.version}"`)
  try {
    const response = await session.request(addressed(path), { headers })
    if (response.status === 304) return known!
    const entry = exactEntry(await bodyOf(response, () => response.text()))
    const version = versionOf(response)
    if (entry !== undefined && version !== undefined) return { ...entry, version }
  } catch (error) {
    if (error instanceof RequestError && error.code === 'SKERRY_NOT_FOUND') return null
    throw error
  }
  throw new RequestError('NO_ENTRY', 200, 'What is there is no entry.')
}

/** Without the quotes, and without the mark of a proxy that compressed it. */
function versionOf(response: Response): string | undefined {
  return /^(?:W\/)?"([^"]*)"$/.exec(response.headers.get('etag') ?? '')?.[1]
}
