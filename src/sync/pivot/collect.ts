import { type Entry, stampOf } from '../../core/entry.ts'
import { peerName } from './address.ts'
import { EXCHANGE_LIMIT_MS, type HttpClient, MAX_LIST_BYTES } from './http.ts'
import type { PivotKey } from './keys.ts'
import { isSameWrite, parseList, PIVOT_ROUTE } from './wire.ts'

/** Entries merged at once. */
const BATCH = 500

/**
 * Takes over what a Go node has and this leader lacks. A Go node doesn't send again what failed to go out, and
 * deletes it when it next fetches; so its leader fetches first. What the node lacks deletes nothing here.
 * What it offers competes with tombstones as any other version does.
 * @param hold keeps the news of a key from the node until what it returns is called
 */
export async function collectFrom(
  http: HttpClient,
  address: string,
  keys: readonly PivotKey[],
  hold: (key: PivotKey) => () => void,
): Promise<void> {
  for (const key of keys) {
    const release = hold(key)
    const { status, body } = await http
      .request({
        method: 'GET',
        url: `http://${address}${PIVOT_ROUTE}/pivot/${key.path}`,
        timeoutMs: EXCHANGE_LIMIT_MS,
        maxBytes: MAX_LIST_BYTES,
      })
      .finally(release)
    if (status !== 200) continue
    const text = key.isGlob ? body : `[${body}]`
    await mergeNews(key, [...parseList(text, key).entries.values()], peerName(address))
  }
}

/**
 * Merges what is not yet held; resolves to the entries that lost against what is held. What may be from before a
 * delete that is forgotten here is withheld: a peer of this protocol never says which deletes it has seen.
 */
export async function mergeNews(
  { store }: PivotKey,
  entries: readonly Entry[],
  from: string,
): Promise<Entry[]> {
  const lost: Entry[] = []
  for (let at = 0; at < entries.length; at += BATCH) {
    const news: Entry[] = []
    const ties: Entry[] = []
    for (const entry of entries.slice(at, at + BATCH)) {
      const held = await store.newest(entry.path)
      if (held !== undefined && isSameWrite(held, entry)) continue
      if (held !== undefined && stampOf(held) > stampOf(entry)) {
        lost.push(entry)
        continue
      }
      news.push(entry)
      if (held !== undefined && stampOf(held) === stampOf(entry)) ties.push(entry)
    }
    if (news.length > 0)
      await store.merge(news, { peer: from, repair: true, doubted: pathsOf(news) })
    for (const entry of ties) {
      const held = await store.newest(entry.path)
      if (held === undefined || !isSameWrite(held, entry)) lost.push(entry)
    }
  }
  return lost
}

/** The paths of the entries: each of them may undo a delete. */
function pathsOf(entries: readonly Entry[]): Set<string> {
  return new Set(entries.map(({ path }) => path))
}
