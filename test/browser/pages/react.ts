import { createElement, StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { connect, type Entry } from '../../../src/client.ts'
import { useSync, useWatch } from '../../../src/react.ts'

// The page of the React test: a list, and after a click a single entry.

interface Page {
  readonly location: { readonly hash: string }
  readonly document: { getElementById(id: string): Parameters<typeof createRoot>[0] }
}

const { location, document } = globalThis as unknown as Page
const client = connect(location.hash.slice(1))

function List() {
  const { value } = useWatch<string>(client, 'box/*')
  return createElement('b', null, value?.map(({ data }: Entry<string>) => data).join(' ') ?? '…')
}

function Single() {
  const { value } = useWatch<string>(client, 'single')
  return createElement('b', null, value?.data ?? 'nothing')
}

function Application() {
  const [single, setSingle] = useState(false)
  const { online } = useSync(client)
  return createElement(
    'p',
    { onClick: () => setSingle(true) },
    online ? 'online: ' : 'offline: ',
    createElement(single ? Single : List),
  )
}

createRoot(document.getElementById('root')).render(
  createElement(StrictMode, null, createElement(Application)),
)
