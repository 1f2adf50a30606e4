import { useEffect, useState } from 'preact/hooks'

/** Where in the page one is; it stands behind the `#`, so that it can be gone back to, and is told to nobody. */
export interface Place {
  readonly tab: string
  /** What is searched for. */
  readonly filter: string
  /** The page of keys, from 1. */
  readonly page: number
  /** The path that is open; empty for none. */
  readonly open: string
}

export function placeOf(hash: string): Place {
  const [tab = '', query = ''] = hash.replace(/^#/, '').split('?', 2)
  const members = new URLSearchParams(query)
  const page = Number(members.get('page'))
  return {
    tab,
    filter: members.get('filter') ?? '',
    page: Number.isSafeInteger(page) && page > 0 ? page : 1,
    open: members.get('open') ?? '',
  }
}

export function hashOf({ tab, filter, page, open }: Place): string {
  const members = new URLSearchParams()
  if (filter !== '') members.set('filter', filter)
  if (page > 1) members.set('page', String(page))
  if (open !== '') members.set('open', open)
  const query = members.toString()
  return `#${tab}${query === '' ? '' : `?${query}`}`
}

/** Goes elsewhere. @param replace true: the way back does not lead through here */
export function go(place: Place, replace = false): void {
  const hash = hashOf(place)
  if (hash === location.hash) return
  if (!replace) {
    location.hash = hash
    return
  }
  history.replaceState(null, '', hash)
  dispatchEvent(new HashChangeEvent('hashchange'))
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => placeOf(location.hash))
  useEffect(() => {
    const moved = (): void => setPlace(placeOf(location.hash))
    addEventListener('hashchange', moved)
    return () => removeEventListener('hashchange', moved)
  }, [])
  return place
}
