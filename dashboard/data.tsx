import { useEffect, useState } from 'preact/hooks'
import type { Entry } from '../src/client.ts'
import { Composer } from './composer.tsx'
import { EntryPane } from './entry.tsx'
import { glimpse } from './json.ts'
import { type Found, isGlob, PAGE_ROWS, useKeys } from './keys.ts'
import { Failure, Pill } from './parts.tsx'
import { go, hashOf, type Place } from './place.ts'
import type { Session } from './session.ts'

/** How long nobody types before it is searched. */
const TYPING_MS = 250

const GLIMPSE_CHARACTERS = 140

export interface DataProps {
  readonly session: Session
  readonly place: Place
  /** Another one once the data have changed. */
  readonly change: unknown
}

/** What the node keeps: a search, what it finds, and the entry that is open. */
export function Data({ session, place, change }: DataProps) {
  const found = useKeys(session, place, change)
  const [composing, setComposing] = useState(false)
  const compose = (path: string | undefined): void => {
    setComposing(false)
    if (path === undefined) return
    found.reload()
    go({ ...place, open: path })
  }
  const aside = composing || place.open !== ''
  return (
    <div class={`data ${aside ? 'split' : ''}`}>
      <section class="panel finder" aria-label="Keys">
        <Search place={place} />
        <Summary found={found} filter={place.filter} compose={() => setComposing(true)} />
        {found.error && <Failure error={found.error} />}
        <Rows found={found} place={place} />
        <Pager found={found} place={place} />
      </section>
      {composing && (
        <Composer
          session={session}
          path={isGlob(place.filter) ? place.filter : ''}
          done={compose}
        />
      )}
      {!composing && place.open !== '' && (
        <EntryPane
          key={place.open}
          session={session}
          path={place.open}
          close={() => go({ ...place, open: '' })}
        />
      )}
    </div>
  )
}

function Search({ place }: { place: Place }) {
  const [text, setText] = useState(place.filter)
  useEffect(() => setText(place.filter), [place.filter])
  useEffect(() => {
    if (text === place.filter) return undefined
    const timer = setTimeout(() => search(place, text), TYPING_MS)
    return () => clearTimeout(timer)
  }, [text])
  return (
    <form
      role="search"
      onSubmit={(event) => {
        event.preventDefault()
        search(place, text)
      }}
    >
      <input
        type="search"
        aria-label="Search paths"
        placeholder="Part of a path, or a glob such as users/*"
        autocapitalize="off"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />
    </form>
  )
}

function search(place: Place, filter: string): void {
  go({ ...place, filter, page: 1 }, true)
}

interface SummaryProps {
  readonly found: Found
  readonly filter: string
  readonly compose: () => void
}

function Summary({ found, filter, compose }: SummaryProps) {
  const total = found.list?.length ?? found.page.value?.total
  return (
    <div class="actions summary">
      <span aria-live="polite">
        {total === undefined ? '…' : `${total.toLocaleString()} ${total === 1 ? 'key' : 'keys'}`}
      </span>
      {found.list !== undefined && <Pill tone="good">live</Pill>}
      {found.long && <span class="quiet">too many to watch; open one, or search more closely</span>}
      {found.stale && (
        <button type="button" onClick={() => found.reload()}>
          Changed: look again
        </button>
      )}
      <button type="button" class="right" onClick={compose}>
        {isGlob(filter) ? 'Push…' : 'New…'}
      </button>
    </div>
  )
}

function Rows({ found, place }: { found: Found; place: Place }) {
  const first = (place.page - 1) * PAGE_ROWS
  const entries = found.list?.slice(first, first + PAGE_ROWS)
  const keys = entries?.map(({ path }) => path) ?? found.page.value?.keys
  if (keys === undefined) return null
  if (keys.length === 0) {
    return <p class="quiet">{place.filter === '' ? 'Nothing is stored yet.' : 'Nothing found.'}</p>
  }
  return (
    <ul class="keys-found">
      {keys.map((path, at) => (
        <li key={path}>
          <a
            href={hashOf({ ...place, open: path })}
            aria-current={path === place.open ? 'true' : undefined}
          >
            <code>{path}</code>
            {entries && <Glimpse entry={entries[at]!} />}
          </a>
        </li>
      ))}
    </ul>
  )
}

/** Stringified once: a value may be large, and lists are drawn often. */
const glimpses = new WeakMap<Entry, string>()

function Glimpse({ entry }: { entry: Entry }) {
  const text = glimpses.get(entry) ?? glimpse(entry.data, GLIMPSE_CHARACTERS)
  glimpses.set(entry, text)
  return <span class="glimpse">{text}</span>
}

function Pager({ found, place }: { found: Found; place: Place }) {
  const total = found.list?.length ?? found.page.value?.total ?? 0
  const pages = Math.max(1, Math.ceil(total / PAGE_ROWS))
  if (pages === 1 && place.page === 1) return null
  const to = (page: number): void => go({ ...place, page })
  return (
    <nav class="actions pager" aria-label="Pages">
      <button type="button" disabled={place.page <= 1} onClick={() => to(place.page - 1)}>
        Previous
      </button>
      <span>
        {place.page} of {pages}
      </span>
      <button type="button" disabled={place.page >= pages} onClick={() => to(place.page + 1)}>
        Next
      </button>
    </nav>
  )
}
