import { useState } from 'preact/hooks'
import { write } from './editor.tsx'
import { Failure } from './parts.tsx'
import { type RequestError, requestErrorOf, type Session } from './session.ts'

export interface ComposerProps {
  readonly session: Session
  /** What the path begins as: a glob that is shown, or nothing. */
  readonly path: string
  /** Called with the path of the new entry, or undefined if there is none. */
  readonly done: (path: string | undefined) => void
}

/** Writes a new entry, or pushes one to a list. */
export function Composer({ session, path: first, done }: ComposerProps) {
  const [path, setPath] = useState(first)
  const [text, setText] = useState('{}')
  const [error, setError] = useState<RequestError>()
  const pushes = path.endsWith('*')
  const save = async (): Promise<void> => {
    setError(undefined)
    try {
      const index = await write(session, path, text)
      done(pushes ? path.slice(0, -1) + index : path)
    } catch (thrown) {
      setError(requestErrorOf(thrown))
    }
  }
  return (
    <form
      class="panel composer"
      aria-label="New entry"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') done(undefined)
      }}
    >
      <h2>New entry</h2>
      <Fields path={path} setPath={setPath} text={text} setText={setText} />
      {error && <Failure error={error} />}
      <div class="actions">
        <button type="submit" class="primary">
          {pushes ? 'Push' : 'Create'}
        </button>
        <button type="button" onClick={() => done(undefined)}>
          Cancel
        </button>
        <span class="quiet hint">
          {pushes ? 'A fresh index takes the place of *.' : 'What is there already stays.'}
        </span>
      </div>
    </form>
  )
}

interface FieldsProps {
  readonly path: string
  readonly setPath: (path: string) => void
  readonly text: string
  readonly setText: (text: string) => void
}

function Fields({ path, setPath, text, setText }: FieldsProps) {
  return (
    <>
      <label>
        Path
        <input
          ref={focusOnce}
          value={path}
          required
          placeholder="users/ada, or users/* to push to the list"
          autocapitalize="off"
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => setPath(currentTarget.value)}
        />
      </label>
      <label>
        JSON
        <textarea
          rows={8}
          value={text}
          spellcheck={false}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>
    </>
  )
}

function focusOnce(element: HTMLElement | null): void {
  element?.focus()
}
