import { decodeFrame, encodeFrame } from '../../src/sync/frame.ts'
import type { MayShare } from '../../src/sync/link.ts'
import type { Hello, Message } from '../../src/sync/messages.ts'
import { type Loop, LoopChannel, type LoopNode } from './loop.ts'

/** How the peer played by hand introduces itself. */
export const hello: Hello = {
  kind: 'hello',
  oldest: 1,
  newest: 1,
  nodeId: 'peer',
  epoch: 'epoch',
  run: 'run',
  durable: true,
  keys: ['users/*'],
  clock: 1_767_225_600_000_000_000n,
  window: 1024 * 1024,
  formerly: [],
}

/** Where the hand peer's stream starts, and whether it takes up where it left off. */
export function streamFrom(start: number, resumed: boolean): Message {
  return { kind: 'stream', start, resumed: [resumed], horizons: [0n], doubted: [false] }
}

/** A peer played by hand: what comes from it may be late, out of order, twice, or hostile. */
export class HandPeer {
  readonly heard: Message[] = []
  /** What its clock shows. */
  clock: () => bigint
  readonly #channel: LoopChannel
  readonly #loop: Loop
  #frames = 0
  #closed = false

  constructor(loop: Loop, node: LoopNode, mayShare?: MayShare) {
    const [mine, its] = LoopChannel.pair(loop)
    this.#channel = mine
    this.#loop = loop
    this.clock = () => node.env.now()
    mine.listen({
      frame: (bytes) => this.#hear(decodeFrame(bytes).message),
      closed: () => (this.#closed = true),
    })
    node.sync.accept(its, mayShare)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Why the node ended the link. */
  get bye(): string | undefined {
    return this.all('bye')[0]?.code
  }

  #hear(message: Message): void {
    this.heard.push(message)
    // The first one is part of the handshake; the others are answered by hand, or not at all.
    if (message.kind !== 'ping' || this.all('ping').length > 1) return
    this.#channel.send(encodeFrame(this.#frames++, { kind: 'pong', clock: this.clock() }))
  }

  async say(...messages: Message[]): Promise<void> {
    for (const message of messages) this.#channel.send(encodeFrame(this.#frames++, message))
    await this.#loop.settled()
  }

  async sayRaw(bytes: Uint8Array): Promise<void> {
    this.#channel.send(bytes)
    await this.#loop.settled()
  }

  async hangUp(): Promise<void> {
    this.#channel.close('hung up')
    await this.#loop.settled()
  }

  /** Says it under a number that is off by `shift`. */
  async sayAs(shift: number, message: Message): Promise<void> {
    this.#channel.send(encodeFrame(this.#frames + shift, message))
    await this.#loop.settled()
  }

  /** The whole handshake, as a peer that has nothing. */
  async shakeHands(): Promise<void> {
    await this.say(hello, { kind: 'resume', positions: [undefined] }, streamFrom(0, true))
  }

  /** What it heard of one kind. */
  all<K extends Message['kind']>(kind: K): Extract<Message, { kind: K }>[] {
    return this.heard.filter((message) => message.kind === kind) as never
  }
}
