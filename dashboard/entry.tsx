import { useState } from 'preact/hooks'
import { Editor } from './editor.tsx'
import { History } from './history.tsx'
import { type Held, type HeldEntry, useHeld } from './held.ts'
import { Failure, Pill } from './parts.tsx'
import { addressed, type RequestError, requestErrorOf, type Session } from './session.ts'
import { bytes, moment } from './time.ts'
import { Value } from './value.tsx'

export interface EntryProps {
  readonly session: Session
  readonly path: string
  readonly close: () => void
}

/** One entry, as it changes. */
export function EntryPane({ session, path, close }: EntryProps) {
  const held = useHeld(session, path)
  const [editing, setEditing] = useState(false)
  const { entry, error, reload } = held
  return (
    <section class="panel entry" aria-label={`Entry ${path}`}>
      <header>
        <button type="button" class="back" onClick={close} aria-label="Back to the keys">
          ←
        </button>
        <h2>
          <code>{path}</code>
        </h2>
        <Live held={held} />
      </header>
      {error && <Failure error={error} />}
      {entry === undefined && !error && <p class="quiet">Reading…</p>}
      {entry !== undefined && editing && (
        <Editor
          session={session}
          path={path}
          entry={entry}
          done={() => {
            setEditing(false)
            reload()
          }}
        />
      )}
      {entry !== undefined && !editing && (
        <Shown session={session} path={path} entry={entry} edit={() => setEditing(true)} />
      )}
      {entry !== undefined && !editing && (
        <History session={session} path={path} current={entry?.version} restored={reload} />
      )}
    </section>
  )
}

function Live({ held: { live, entry } }: { held: Held }) {
  if (entry === undefined) return null
  return live ? (
    <Pill tone="good">live</Pill>
  ) : (
    <span title="Changes do not arrive now: this is what was last read.">
      <Pill tone="warn">not live</Pill>
    </span>
  )
}

interface ShownProps {
  readonly session: Session
  readonly path: string
  readonly entry: HeldEntry | null
  readonly edit: () => void
}

function Shown({ session, path, entry, edit }: ShownProps) {
  if (entry === null) {
    return (
      <>
        <p class="quiet">Nothing is stored here.</p>
        <div class="actions">
          <button type="button" onClick={edit}>
            Write
          </button>
        </div>
      </>
    )
  }
  const { created, updated, data, version } = entry
  return (
    <>
      <p class="times">
        <span>created {moment(created)}</span>
        <span>{updated === 0n ? 'never overwritten' : `updated ${moment(updated)}`}</span>
        <span>{bytes(new Blob([data]).size)}</span>
        <span title="Its version: what If-Match takes">
          <code>{version}</code>
        </span>
      </p>
      <Value key={path} data={data} label={`Value of ${path}`} />
      <div class="actions">
        <button type="button" class="primary" onClick={edit}>
          Edit
        </button>
        <Delete session={session} path={path} version={version} />
      </div>
    </>
  )
}

interface DeleteProps {
  readonly session: Session
  readonly path: string
  readonly version: string
}

/** Deletes what is shown, once it is said twice. */
function Delete({ session, path, version }: DeleteProps) {
  const [asked, setAsked] = useState<string>()
  const [error, setError] = useState<RequestError>()
  const remove = async (): Promise<void> => {
    setError(undefined)
    try {
      const headers = { 'if-match': `"${asked}"` }
      await session.request(addressed(path), { method: 'DELETE', headers })
    } catch (thrown) {
      setError(requestErrorOf(thrown))
    }
    setAsked(undefined)
  }
  if (asked === undefined) {
    return (
      <>
        <button type="button" onClick={() => setAsked(version)}>
          Delete…
        </button>
        {error && <Failure error={error} />}
      </>
    )
  }
  return (
    <span class="confirm" role="group" aria-label="Confirm">
      Delete <code>{path}</code>?{' '}
      <button type="button" class="danger" onClick={() => void remove()}>
        Delete
      </button>{' '}
      <button type="button" ref={focus} onClick={() => setAsked(undefined)}>
        Keep
      </button>
    </span>
  )
}

function focus(element: HTMLElement | null): void {
  element?.focus()
}
