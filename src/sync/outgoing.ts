import { type Entry, sizeOf } from '../core/entry.ts'
import { matches } from '../core/path.ts'
import type { FeedPage, Placed, Store } from '../store/store.ts'
import { Acknowledged } from './acknowledged.ts'
import type { Changes } from './messages.ts'

/** The most changes that one frame carries. */
const MAX_FRAME_ENTRIES = 256

/** Where a frame of changes is closed, in characters of paths and data. */
const MAX_FRAME_CHARACTERS = 256 * 1024

/** The most paths that wait to be sent once more; what is beyond that is left to the next repair. */
const MAX_AGAIN = 1000

/** What the stream needs of its link. */
export interface OutgoingLink {
  readonly peerId: string
  readonly keys: readonly string[]
  /** Shared keys of which the peer may lack what this stream did not bring. */
  readonly unrepaired: ReadonlySet<string>
  /** Sends the frame; returns its size in bytes. */
  send(message: Changes): number
  failed(error: unknown): void
}

/**
 * The stream of this store's changes to one peer: catching up and live are the same loop, woken by
 * commits and by acknowledgements. At most a window of bytes travels unacknowledged.
 */
export class Outgoing {
  readonly #store: Store
  readonly #link: OutgoingLink
  readonly #window: number
  /** For each shared key, up to where the peer has it already. */
  readonly #floors: readonly number[]
  /** Where the store's feed ended as the link began: what is older may be deleted elsewhere. */
  readonly #began: number
  /** Everything up to here was looked at. */
  #cursor: number
  /** Everything up to here was sent, or need not be. */
  #sent: number
  /** What the peer has acknowledged. */
  readonly acknowledged: Acknowledged
  /** Up to where somebody waits for the peer's word. */
  #asked = 0
  /** Paths whose newest version the peer once had, and lacks. */
  readonly #again = new Set<string>()
  /**
   * Up to here the stream has brought the newest change of every path, or a newer one. What was read of the feed
   * may have left out a change because a newer one of its path comes later, so this is only where the feed ended.
   */
  #complete: number
  /** The same, of what was sent. */
  #completeSent: number
  /** The same, of what the peer has acknowledged. */
  #completeThere: number
  /** Frames not yet acknowledged, oldest first. */
  #inFlight: { upTo: number; complete: number; bytes: number }[] = []
  #bytesInFlight = 0
  #pumping = false
  #closed = false

  /** @param floors where the stream of each shared key begins; the lowest is its start */
  constructor(store: Store, link: OutgoingLink, floors: readonly number[], window: number) {
    this.#store = store
    this.#link = link
    this.#floors = floors
    this.#began = store.seq
    this.#window = window
    this.#cursor = Math.min(...floors, store.seq)
    this.#sent = this.#cursor
    this.acknowledged = new Acknowledged(this.#cursor)
    this.#complete = this.#cursor === store.seq ? this.#cursor : 0
    this.#completeSent = this.#complete
    this.#completeThere = this.#complete
  }

  /** Where the stream begins. */
  get start(): number {
    return this.#sent
  }

  /** Sends what there is to send. Called after each commit. */
  wake(): void {
    if (this.#pumping || this.#closed) return
    this.#pump().catch((error: unknown) => this.#link.failed(error))
  }

  /** The peer, whose own newest change is number `seq`, has made everything up to `upTo` durable. */
  acknowledge(upTo: number, seq: number): void {
    while (this.#inFlight[0] !== undefined && this.#inFlight[0].upTo <= upTo) {
      const { bytes, complete } = this.#inFlight.shift()!
      this.#bytesInFlight -= bytes
      this.#completeThere = complete
    }
    this.acknowledged.note(Math.min(upTo, this.#sent), seq)
    this.hear()
    this.#answerAsked()
    this.wake()
  }

  /** Has what the peer says that it has count at once: what this node stamps anew, it may find out at any moment. */
  hear(): void {
    const { peerId: peer, keys, unrepaired } = this.#link
    keys.forEach((key, i) => {
      const after = unrepaired.has(key) ? this.#floors[i]! : 0
      this.#store.hear({ peer, key, after, upTo: this.acknowledged.latest })
    })
  }

  /** Up to where the peer has made this store's changes of a shared key durable. */
  position(key: string): number {
    return Math.max(this.#floors[this.#link.keys.indexOf(key)] ?? 0, this.acknowledged.latest)
  }

  /**
   * True if the peer has acknowledged each of these changes, or a newer one of its path.
   * @param seq the highest number of the changes
   */
  has(changes: ReadonlyMap<string, number>, seq: number): boolean {
    if (seq > this.#completeThere) return false
    // What another link or a repair brought, this stream did not carry, and knows nothing of.
    for (const [path, number] of changes) if (!this.#lacks(path, number)) return false
    return true
  }

  /** Has the peer acknowledge up to `seq` soon, even if nothing that it shares has changed. */
  ask(seq: number): void {
    this.#asked = Math.max(this.#asked, seq)
    this.#answerAsked()
  }

  /**
   * Sends the newest versions of these paths once more: the peer has acknowledged or sent them, and offers older
   * ones all the same, so it has forgotten them.
   */
  again(paths: readonly string[]): void {
    for (const path of paths) if (this.#again.size < MAX_AGAIN) this.#again.add(path)
    this.wake()
  }

  /** Tells the peer of progress through changes that it does not share, so that its checkpoint moves. */
  reportProgress(): void {
    if (this.#cursor > this.#sent && this.#inFlight.length === 0) this.#send([], this.#cursor)
  }

  close(): void {
    this.#closed = true
  }

  #answerAsked(): void {
    if (this.#completeSent >= this.#asked || this.#complete < this.#asked) return
    if (this.#inFlight.length === 0) this.#send([], this.#cursor)
  }

  #hasWork(): boolean {
    const behind = this.#cursor < this.#store.seq || this.#again.size > 0
    return behind && !this.#closed && this.#bytesInFlight < this.#window
  }

  async #pump(): Promise<void> {
    this.#pumping = true
    try {
      while (this.#hasWork()) {
        if (this.#again.size > 0) await this.#sendAgain()
        if (this.#closed || this.#cursor >= this.#store.seq) continue
        const page = await this.#store.changesAfter(this.#cursor, MAX_FRAME_ENTRIES)
        if (this.#closed) return
        this.#sendPage(page)
      }
      this.#answerAsked()
    } finally {
      this.#pumping = false
    }
  }

  /** A frame of what is due once more, which moves the stream no further. */
  async #sendAgain(): Promise<void> {
    const entries: Entry[] = []
    let characters = 0
    for (const path of this.#again) {
      if (entries.length === MAX_FRAME_ENTRIES || characters > MAX_FRAME_CHARACTERS) break
      this.#again.delete(path)
      const entry = await this.#store.newest(path)
      if (entry === undefined) continue
      entries.push(entry)
      characters += sizeOf(entry)
    }
    if (entries.length > 0 && !this.#closed) this.#send(entries, this.#sent)
  }

  #sendPage({ changes, upTo }: FeedPage): void {
    const entries = new Map<string, Placed>()
    let characters = 0
    for (const change of changes) {
      const { seq, entry, from } = change
      if (characters > MAX_FRAME_CHARACTERS) {
        this.#sendPlaced([...entries.values()], this.#cursor)
        entries.clear()
        characters = 0
      }
      this.#cursor = seq
      if (from === this.#link.peerId || !this.#lacks(entry.path, seq)) continue
      // Of two changes of a path the later one is enough; it also keeps the place of the later.
      entries.delete(entry.path)
      entries.set(entry.path, change)
      characters += sizeOf(entry)
    }
    this.#cursor = upTo
    if (upTo === this.#store.seq) this.#complete = upTo
    if (entries.size > 0) this.#sendPlaced([...entries.values()], upTo)
  }

  #sendPlaced(placed: readonly Placed[], upTo: number): void {
    const heard = placed.flatMap((each, place) => (this.#isHeard(each) ? [place] : []))
    this.#send(
      placed.map(({ entry }) => entry),
      upTo,
      heard,
    )
  }

  /** True of a write of this node, from before the link, that somebody has: it may have been deleted since. */
  #isHeard({ entry: { path, origin }, seq }: Placed): boolean {
    if (seq > this.#began || origin !== this.#store.nodeId) return false
    return this.#store.wasAcknowledged(path, seq)
  }

  #lacks(path: string, seq: number): boolean {
    return this.#link.keys.some((key, i) => seq > this.#floors[i]! && matches(key, path))
  }

  #send(entries: readonly Entry[], upTo: number, heard: readonly number[] = []): void {
    const frame = { kind: 'changes', since: this.#sent, upTo, entries } as const
    const bytes = this.#link.send(heard.length === 0 ? frame : { ...frame, heard })
    this.#sent = upTo
    this.#completeSent = this.#complete
    this.#inFlight.push({ upTo, complete: this.#complete, bytes })
    this.#bytesInFlight += bytes
  }
}
