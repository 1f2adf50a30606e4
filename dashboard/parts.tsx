import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { RequestError } from './session.ts'

/** Says what went wrong, and by which code it can be looked up. */
export function Failure({ error }: { error: RequestError }) {
  return (
    <p class="failure" role="alert">
      <code>{error.code}</code>
      {error.status > 0 && !error.code.startsWith('HTTP') && (
        <span class="quiet"> {error.status}</span>
      )}{' '}
      {error.message}
    </p>
  )
}

type Tone = 'good' | 'bad' | 'warn' | 'plain'

/** A state in a word. */
export function Pill({ tone = 'plain', children }: { tone?: Tone; children: ComponentChildren }) {
  return <span class={`pill ${tone}`}>{children}</span>
}

export function Panel({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="panel">
      <h2>{title}</h2>
      {children}
    </section>
  )
}

/** Names and what they stand for; those that are undefined are left out. */
export function Facts({ facts }: { facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}

export interface TableProps {
  readonly label: string
  readonly heads: readonly string[]
  readonly children: ComponentChildren
}

/** A table that scrolls by itself; where the screen is narrow each row is a block, and each cell says what it is. */
export function Table({ label, heads, children }: TableProps) {
  const body = useRef<HTMLTableSectionElement>(null)
  useLayoutEffect(() => {
    for (const row of body.current!.rows) {
      for (const cell of row.cells) cell.dataset['head'] = heads[cell.cellIndex] ?? ''
    }
  })
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>{children}</tbody>
      </table>
    </div>
  )
}

export function Keys({ keys }: { keys: readonly string[] }) {
  return (
    <span class="keys">
      {keys.length === 0 && <span class="quiet">none</span>}
      {keys.map((key) => (
        <code key={key}>{key}</code>
      ))}
    </span>
  )
}
