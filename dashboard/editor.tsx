import { useEffect, useRef, useState } from 'preact/hooks'
import type { HeldEntry } from './held.ts'
import { indented } from './json.ts'
import { Failure } from './parts.tsx'
import { addressed, type RequestError, requestErrorOf, type Session } from './session.ts'
import { Value } from './value.tsx'

/** What an editor works on. */
export interface EditorProps {
  readonly session: Session
  readonly path: string
  /** What the path holds now; it changes while somebody edits. */
  readonly entry: HeldEntry | null
  /** Called once it is saved, or given up. */
  readonly done: () => void
}

/** Changes the JSON of an entry, unless somebody else did so in between: then both are shown. */
export function Editor(props: EditorProps) {
  const { path, entry, done } = props
  const { text, setText, error, busy, overtaken, save, take, overwrite } = useEditing(props)
  const area = useRef<HTMLTextAreaElement>(null)
  useEffect(() => area.current?.focus(), [])
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault()
        save()
      }}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) save()
        if (event.key === 'Escape') done()
      }}
    >
      <textarea
        ref={area}
        aria-label={`JSON of ${path}`}
        spellcheck={false}
        autocomplete="off"
        rows={14}
        value={text}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />
      {error && <Failure error={error} />}
      {overtaken && <Overtaken entry={entry} take={take} overwrite={overwrite} busy={busy} />}
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          Save
        </button>
        <button type="button" onClick={done}>
          Cancel
        </button>
        <span class="quiet hint">Ctrl+Enter saves, Esc cancels</span>
      </div>
    </form>
  )
}

/** A text that began as the entry was, and which version that is. */
function useEditing({ session, path, entry, done }: EditorProps) {
  const [base, setBase] = useState(entry?.version)
  const [text, setText] = useState(() => textOf(entry))
  const [error, setError] = useState<RequestError>()
  const [busy, setBusy] = useState(false)
  const saveOver = async (version: string | undefined): Promise<void> => {
    if (busy) return
    setBase(version)
    setBusy(true)
    setError(undefined)
    try {
      await write(session, path, text, version)
      done()
    } catch (thrown) {
      setError(requestErrorOf(thrown))
    } finally {
      setBusy(false)
    }
  }
  const take = (): void => {
    setText(textOf(entry))
    setBase(entry?.version)
    setError(undefined)
  }
  const overtaken = base !== entry?.version
  return {
    ...{ text, setText, error, busy, overtaken, take },
    save: () => void saveOver(base),
    overwrite: () => void saveOver(entry?.version),
  }
}

function textOf(entry: HeldEntry | null): string {
  return entry === null ? '' : indented(entry.data).text
}

interface OvertakenProps {
  readonly entry: HeldEntry | null
  readonly busy: boolean
  readonly take: () => void
  readonly overwrite: () => void
}

function Overtaken({ entry, take, overwrite, busy }: OvertakenProps) {
  return (
    <section class="overtaken" role="alert">
      <p>
        <strong>
          {entry === null
            ? 'Somebody else deleted this meanwhile.'
            : 'Somebody else wrote this meanwhile:'}
        </strong>
      </p>
      {entry !== null && <Value data={entry.data} label="What somebody else wrote" />}
      <div class="actions">
        <button type="button" onClick={take} disabled={busy}>
          {entry === null ? 'Start anew' : 'Take theirs'}
        </button>
        <button type="button" class="danger" onClick={overwrite} disabled={busy}>
          {entry === null ? 'Write mine again' : 'Overwrite with mine'}
        </button>
      </div>
    </section>
  )
}

/**
 * Writes JSON text as it is, or pushes it to a glob.
 * @param version what the path must still hold; undefined: nothing
 * @returns the index of the entry
 * @throws RequestError
 */
export async function write(
  session: Session,
  path: string,
  text: string,
  version?: string,
): Promise<string> {
  const condition = version === undefined ? ['if-none-match', '*'] : ['if-match', `"${version}"`]
  const response = await session.request(addressed(path), {
    method: 'POST',
    headers: [['content-type', 'application/json'], condition as [string, string]],
    body: text,
  })
  return ((await response.json()) as { index: string }).index
}
