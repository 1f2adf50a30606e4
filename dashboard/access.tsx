import { useState } from 'preact/hooks'
import { keepToken } from './session.ts'

export interface AccessProps {
  /** True if this tab has a token. */
  readonly held: boolean
  /** True if the node has asked for one, or for another one. */
  readonly asked: boolean
  /** Called once the token is another one. */
  readonly changed: () => void
}

/** Takes a token when the node asks for one, and lets go of it. */
export function Access({ held, asked, changed }: AccessProps) {
  if (asked) return <TokenForm held={held} changed={changed} />
  if (!held) return null
  const forget = (): void => {
    keepToken(undefined)
    changed()
  }
  return (
    <button type="button" class="forget" onClick={forget}>
      Forget token
    </button>
  )
}

function TokenForm({ held, changed }: Omit<AccessProps, 'asked'>) {
  const [text, setText] = useState('')
  const [invalid, setInvalid] = useState(false)
  return (
    <form
      class="access"
      aria-label="Token"
      onSubmit={(event) => {
        event.preventDefault()
        if (keepToken(text.trim())) changed()
        else setInvalid(true)
      }}
    >
      <label>
        <span role="alert">
          {held ? 'The node does not take this token.' : 'This node asks for a token.'}
        </span>
        <input
          type="password"
          aria-label="Token"
          autocomplete="off"
          value={text}
          aria-invalid={invalid}
          onInput={({ currentTarget }) => {
            setText(currentTarget.value)
            setInvalid(false)
          }}
        />
      </label>
      <button type="submit" class="primary">
        Use
      </button>
      {invalid && <span role="alert">A token has no spaces, and ASCII only.</span>}
      <span class="quiet hint">It stays in this tab, and goes with it.</span>
    </form>
  )
}
