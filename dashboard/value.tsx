import { useMemo, useState } from 'preact/hooks'
import { indented } from './json.ts'
import { bytes } from './time.ts'

/** How much of a value is shown before somebody asks for all of it. */
const SHOWN_CHARACTERS = 20_000

/** JSON as text: nothing in it is ever taken for HTML. */
export function Value({ data, label }: { data: string; label: string }) {
  const [all, setAll] = useState(false)
  const { text, whole } = useMemo(
    () => indented(data, all ? Infinity : SHOWN_CHARACTERS),
    [data, all],
  )
  return (
    <div class="value">
      <pre tabIndex={0} aria-label={label}>
        {text}
        {!whole && '…'}
      </pre>
      {!whole && (
        <button type="button" onClick={() => setAll(true)}>
          Show all {bytes(data.length)}
        </button>
      )}
    </div>
  )
}
