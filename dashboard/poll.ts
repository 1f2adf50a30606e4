import { useEffect, useRef, useState } from 'preact/hooks'
import { type RequestError, requestErrorOf } from './session.ts'

/** What was loaded last, and what went wrong since. */
export interface Loaded<T> {
  /** Stays while newer ones can't be had. */
  readonly value: T | undefined
  /** Why the newest could not be had; undefined if it could. */
  readonly error: RequestError | undefined
  /** When it went wrong first, in milliseconds since the epoch; undefined if it did not. */
  readonly failingSinceMs: number | undefined
}

const NOTHING = { value: undefined, error: undefined, failingSinceMs: undefined }

/**
 * Loads, and again so long after each answer, while the page can be seen.
 * @param load must stay the same function as long as it loads the same thing
 */
export function usePolled<T>(load: () => Promise<T>, everyMs: number): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>(NOTHING)
  useEffect(() => {
    let stopped = false
    let busy = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const turn = async (): Promise<void> => {
      if (busy || stopped || document.hidden) return
      busy = true
      clearTimeout(timer)
      const next = await attempt(load)
      busy = false
      if (stopped) return
      setLoaded((last) => next(last))
      timer = setTimeout(() => void turn(), everyMs)
    }
    const shown = (): void => void turn()
    document.addEventListener('visibilitychange', shown)
    addEventListener('online', shown)
    void turn()
    return () => {
      stopped = true
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', shown)
      removeEventListener('online', shown)
    }
  }, [load, everyMs])
  return loaded
}

/** Loads when something that it depends on has changed; what comes late of an earlier one is dropped. */
export function useLoaded<T>(load: () => Promise<T>, dependencies: readonly unknown[]): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>(NOTHING)
  const turn = useRef(0)
  useEffect(() => {
    const mine = ++turn.current
    void attempt(load).then((next) => {
      if (turn.current === mine) setLoaded((last) => next(last))
    })
  }, dependencies)
  useEffect(() => () => void turn.current++, [])
  return loaded
}

async function attempt<T>(load: () => Promise<T>): Promise<(last: Loaded<T>) => Loaded<T>> {
  try {
    const value = await load()
    return () => ({ value, error: undefined, failingSinceMs: undefined })
  } catch (thrown) {
    const error = requestErrorOf(thrown)
    const now = Date.now()
    return ({ value, failingSinceMs = now }) => ({ value, error, failingSinceMs })
  }
}
