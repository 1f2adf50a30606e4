import { LINK_PATH, LIVE_PATH } from '../address.ts'

/**
 * What can be upgraded to a WebSocket, in the member `x-websockets` of the document: OpenAPI has no place for it.
 */
export const webSockets = {
  '/': { summary: 'The time of the node, once a second.', manual: 'docs/state.md' },
  '/{path}': { summary: 'A path or glob: a snapshot, then patches.', manual: 'docs/state.md' },
  [`/${LIVE_PATH}`]: {
    summary: 'Many subscriptions, reads and writes on one socket.',
    manual: 'docs/client.md',
  },
  [`/${LINK_PATH}`]: { summary: 'Where other nodes open their links.', manual: 'docs/link.md' },
} as const
