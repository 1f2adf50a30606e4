import { expect, test } from 'vitest'
import { PING_INTERVAL_MS } from '../../src/sync/wire.ts'
import { HandPeer, hello } from './hand.ts'
import { Loop, loopNode, type LoopNode, put } from './loop.ts'

async function pass(loop: Loop, ms: number, ...nodes: LoopNode[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1000) {
    for (const { env } of nodes) env.advance(1000)
    await loop.settled()
  }
}

function doubted({ sync }: LoopNode): (readonly string[])[] {
  return sync.status().links.map((link) => link.doubted)
}

test('a new node is doubted no more once the repair is done and the peer has what it merged meanwhile', async () => {
  const loop = new Loop()
  const lead = await loopNode(loop, 'lead', { keys: ['users/*', 'log'] })
  for (let i = 0; i < 100; i++) await put(lead, `users/${i}`, i)
  // It keeps its data in memory only, so each of its starts is that of a new node.
  for (const id of ['node', 'again']) {
    const node = await loopNode(loop, id, { leader: 'lead' })
    await put(node, 'users/own', id)
    await pass(loop, PING_INTERVAL_MS, lead, node)
    for (const each of [lead, node]) expect(doubted(each)).toEqual([[]])
    await node.sync.stop()
    await loop.settled()
  }
})

test('a peer that doubts this node is named with its keys until it was repaired, and acknowledges what was there', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node', { keys: ['users/*'] })
  const peer = new HandPeer(loop, node)
  await peer.say(hello, { kind: 'resume', positions: [undefined] })
  const stream = { start: 0, resumed: [true], horizons: [0n] }
  await peer.say({ kind: 'stream', ...stream, doubted: [true] })
  expect(doubted(node)).toEqual([['users/*']])
  await put(node, 'users/1', 1)
  await peer.say({ kind: 'repaired', key: 0 })
  expect(peer.all('settled')).toMatchObject([{ key: 0, seq: 1 }])
  expect(doubted(node)).toEqual([['users/*']])
  await peer.say({ kind: 'ack', upTo: 1, seq: 0, aside: [] })
  expect(doubted(node)).toEqual([[]])
})
