/** The door of React applications; `react` is theirs to bring. */
export { type Seen, useSync, useWatch } from './client/react.ts'
