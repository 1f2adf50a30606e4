import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pack, unpack } from '../../src/core/codec.ts'
import type { Channel, ChannelListener } from '../../src/sync/transport.ts'
import { SealedChannel } from '../../src/sync/trust/channel.ts'
import { linkKeys, Opener, Seal } from '../../src/sync/trust/seal.ts'
import { readSecrets, type Secret } from '../../src/sync/trust/secrets.ts'
import { VirtualEnv } from '../../src/testing/env.ts'
import { Loop, LoopChannel, loopNode, type LoopNode, put, rootOf } from './loop.ts'

const OLD = 'the first secret of the cluster, long enough'
const NEW = 'the second one, which takes its place soon!!'
const OTHER = 'what somebody outside of the cluster made up'

const secretsOf = (...texts: string[]) => readSecrets(texts.join('\n'))
const sealedWith = (...texts: string[]) => ({ secrets: () => secretsOf(...texts) })

/** Every frame that crosses the network, as whoever stands between sees it. */
class Wiretap extends Loop {
  readonly seen: Uint8Array[] = []

  override async dial(url: string): Promise<Channel> {
    const channel = await super.dial(url)
    return {
      listen: (listener) =>
        channel.listen({
          ...listener,
          frame: (bytes) => (this.seen.push(bytes), listener.frame(bytes)),
          closed: (reason) => listener.closed(reason),
        }),
      send: (frame) => (this.seen.push(frame), channel.send(frame)),
      bufferedBytes: 0,
      close: (reason) => channel.close(reason),
    }
  }
}

function lastErrors({ sync }: LoopNode): (string | undefined)[] {
  return sync.status().waiting.map(({ lastError }) => lastError)
}

test('nodes with the same secret converge, and nothing that they write can be read on the way', async () => {
  const loop = new Wiretap()
  const leader = await loopNode(loop, 'leader', sealedWith(OLD))
  await put(leader, 'private/1', 'the name of the rose')
  const node = await loopNode(loop, 'node', { leader: 'leader', ...sealedWith(OLD) })
  await loop.settled()
  await put(node, 'private/2', 'an island of the day before')
  await loop.settled()
  expect(await rootOf(node)).toBe(await rootOf(leader))
  const all = Buffer.concat(loop.seen).toString('latin1')
  for (const text of ['private', 'rose', 'island', 'leader']) expect(all).not.toContain(text)
})

test('who has another secret, or none, gets no link and learns nothing', async () => {
  const loop = new Wiretap()
  const leader = await loopNode(loop, 'leader', sealedWith(OLD))
  await put(leader, 'private/1', 'the name of the rose')
  const stranger = await loopNode(loop, 'stranger', { leader: 'leader', ...sealedWith(OTHER) })
  const plain = await loopNode(loop, 'plain', { leader: 'leader' })
  await loop.settled()
  expect(leader.sync.status().links).toEqual([])
  expect(await stranger.store.read('private/1')).toBeUndefined()
  expect(await plain.store.read('private/1')).toBeUndefined()
  expect(lastErrors(stranger)[0]).toContain('LINK_UNTRUSTED')
  expect(Buffer.concat(loop.seen).toString('latin1')).not.toContain('rose')
})

test('a node with a secret tells a rogue address that it dials no more than ids of its secrets', async () => {
  const loop = new Wiretap()
  await loopNode(loop, 'rogue')
  const node = await loopNode(loop, 'node', { peers: ['rogue'], ...sealedWith(OLD) })
  await put(node, 'private/1', 'the name of the rose')
  await loop.settled()
  expect(lastErrors(node)[0]).toContain('LINK_UNTRUSTED')
  const told = Buffer.concat(loop.seen).toString('latin1')
  expect(told).toContain(secretsOf(OLD)[0]!.id)
  for (const text of ['private', 'rose', OLD]) expect(told).not.toContain(text)
})

test('a secret is replaced without an interruption: both, then the new one first, then only that', async () => {
  const loop = new Loop()
  const held = { leader: [OLD], node: [OLD] }
  const options = (name: 'leader' | 'node') => ({ secrets: () => secretsOf(...held[name]) })
  const leader = await loopNode(loop, 'leader', options('leader'))
  const node = await loopNode(loop, 'node', { leader: 'leader', ...options('node') })
  const steps: [keyof typeof held, string[]][] = [
    ['leader', [OLD, NEW]],
    ['node', [OLD, NEW]],
    ['node', [NEW, OLD]],
    ['leader', [NEW]],
    ['node', [NEW]],
  ]
  let round = 0
  for (const [name, secrets] of steps) {
    held[name] = secrets
    // Each step is followed by a new link, as after a restart of one of them.
    await node.sync.stop()
    const again = await loopNode(loop, `node${++round}`, { leader: 'leader', ...options('node') })
    await put(again, `round/${round}`, round)
    await loop.settled()
    expect(await rootOf(again)).toBe(await rootOf(leader))
    await again.sync.stop()
  }
})

/** A sealed channel at each end of a pair, and what each was told. */
function pairOf(left: readonly Secret[], right: readonly Secret[]) {
  const [a, b] = LoopChannel.pair(new Loop())
  const open = (channel: Channel, secrets: readonly Secret[], dialed: boolean, seed: number) => {
    const told: { frames: string[]; closed: string | undefined } = { frames: [], closed: undefined }
    const sealed = new SealedChannel(channel, new VirtualEnv(seed), secrets, dialed)
    const listener: ChannelListener = {
      frame: (bytes) => told.frames.push(Buffer.from(bytes).toString()),
      closed: (reason) => (told.closed = reason),
    }
    return { sealed, told, listener }
  }
  return { raw: { a, b }, dialer: open(a, left, true, 1), acceptor: open(b, right, false, 2) }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a frame that comes twice is taken once; one that was changed ends the channel', async () => {
  const { raw, dialer } = pairOf(secretsOf(OLD), secretsOf(OLD))
  dialer.sealed.listen(dialer.listener)
  const [secret] = secretsOf(OLD)
  const nonce = new Uint8Array(32).fill(7)
  const offers: Uint8Array[] = []
  raw.b.listen({ frame: (bytes) => offers.push(bytes), closed: () => undefined })
  raw.b.send(pack(['skerry seal 1', nonce, [secret!.id]]))
  await turn()
  await turn()
  const [, dialerNonce] = unpack(offers[0]!) as [string, Uint8Array]
  const seal = new Seal(linkKeys(secret!.key, dialerNonce, nonce).acceptor)
  const [first, second] = [seal.close(Buffer.from('one')), seal.close(Buffer.from('two'))]
  for (const frame of [first, first, second, first]) raw.b.send(frame)
  await turn()
  expect(dialer.told).toEqual({ frames: ['one', 'two'], closed: undefined })
  const third = seal.close(Buffer.from('three'))
  third[12]! ^= 1
  raw.b.send(third)
  await turn()
  expect(dialer.told.closed).toContain('LINK_UNTRUSTED')
})

test('what was recorded on one link opens on no other', async () => {
  const [secret] = secretsOf(OLD)
  const nonce = (fill: number) => new Uint8Array(32).fill(fill)
  const recorded = new Seal(linkKeys(secret!.key, nonce(1), nonce(2)).dialer).close(
    Buffer.from('x'),
  )
  const keys = [
    linkKeys(secret!.key, nonce(1), nonce(3)).dialer,
    linkKeys(secret!.key, nonce(3), nonce(2)).dialer,
    linkKeys(secret!.key, nonce(1), nonce(2)).acceptor,
    linkKeys(secretsOf(NEW)[0]!.key, nonce(1), nonce(2)).dialer,
  ]
  for (const key of keys) expect(() => new Opener(key).open(recorded)).toThrow(/not sealed/)
  expect(new Opener(linkKeys(secret!.key, nonce(1), nonce(2)).dialer).open(recorded)).toBeDefined()
})

test('hostile bytes end a sealed channel, before and after the offers, and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), fc.boolean(), async (bytes, agreed) => {
      const { raw, dialer } = pairOf(secretsOf(OLD), [])
      dialer.sealed.listen(dialer.listener)
      raw.b.listen({ frame: () => undefined, closed: () => undefined })
      const [secret] = secretsOf(OLD)
      if (agreed) raw.b.send(pack(['skerry seal 1', new Uint8Array(32), [secret!.id]]))
      raw.b.send(bytes)
      await turn()
      await turn()
      expect(dialer.told.frames).toEqual([])
      expect(dialer.told.closed).toContain('LINK_UNTRUSTED')
    }),
    { numRuns: 50 },
  )
})

test.each([
  ['nothing', '\n# only this\n'],
  ['one that is short', 'too short to be a secret'],
  ['too many', Array.from({ length: 5 }, (_, n) => `${n}${OLD}`).join('\n')],
])('a file of secrets with %s is refused', (_name, text) => {
  expect(() => readSecrets(text)).toThrow(TypeError)
})
