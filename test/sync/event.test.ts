import { expect, test } from 'vitest'
import type { SyncEvent } from '../../src/sync/event.ts'
import { HandPeer, hello } from './hand.ts'
import { Loop, loopNode, type LoopNode } from './loop.ts'

/** Lets the backoff of whoever dials run out several times, while links stay up. */
async function goOn(loop: Loop, ...nodes: LoopNode[]): Promise<void> {
  for (let i = 0; i < 60; i++) {
    for (const { env } of nodes) env.advance(1000)
    await loop.settled()
  }
}

function collect(): { events: SyncEvent[]; onEvent: (event: SyncEvent) => void } {
  const events: SyncEvent[] = []
  return { events, onEvent: (event) => events.push(event) }
}

test('whoever dials in vain is told once, of the link once, and of its loss once', async () => {
  const loop = new Loop()
  const { events, onEvent } = collect()
  const node = await loopNode(loop, 'node', { leader: 'lead', onEvent })
  await goOn(loop, node)
  const nobody = { type: 'unreached', url: 'lead', reason: 'nobody listens at lead' }
  expect(events.splice(0)).toEqual([nobody])

  const lead = collect()
  const leader = await loopNode(loop, 'lead', { onEvent: lead.onEvent })
  await goOn(loop, node, leader)
  expect(events.splice(0)).toMatchObject([
    { type: 'linked', peer: 'lead', url: 'lead', keys: ['**'] },
  ])
  expect(lead.events).toMatchObject([{ type: 'linked', peer: 'node', url: undefined }])

  loop.cut()
  await goOn(loop, node, leader)
  const lost = { type: 'unlinked', peer: 'lead', reason: { code: 'SKERRY_LINK_TIMEOUT' } }
  expect(events.splice(0)).toMatchObject([lost, nobody])
})

test('a link that the peer refuses is told of once, with the reason', async () => {
  const loop = new Loop()
  const { events, onEvent } = collect()
  const node = await loopNode(loop, 'node', { leader: 'mirror', onEvent })
  await loop.settled()
  events.length = 0
  // It finds itself at the address: the balancer of a wrong configuration.
  loop.serve('mirror', node.sync)
  await goOn(loop, node)
  expect(events).toMatchObject([{ type: 'unreached', url: 'mirror' }])
  expect(events[0]).toHaveProperty('reason', expect.stringContaining("can't be its own peer"))
})

test('of two links that two nodes open to each other the one that goes is not told as a loss', async () => {
  const loop = new Loop()
  const [atA, atB] = [collect(), collect()]
  const a = await loopNode(loop, 'a', { peers: ['b'], onEvent: atA.onEvent })
  const b = await loopNode(loop, 'b', { peers: ['a'], onEvent: atB.onEvent })
  await goOn(loop, a, b)
  for (const { events } of [atA, atB]) {
    const told = events.map(({ type }) => type)
    expect(told.filter((type) => type === 'unlinked' || type === 'unreached')).toEqual(
      // The address was dialed before anybody listened there.
      events === atA.events ? ['unreached'] : [],
    )
    expect(told.at(-1)).toBe('linked')
  }
})

test('a clone is told of once, however often it tries', async () => {
  const loop = new Loop()
  const { events, onEvent } = collect()
  const node = await loopNode(loop, 'node', { onEvent })
  const peer = new HandPeer(loop, node)
  await peer.shakeHands()
  for (let i = 0; i < 3; i++) {
    await new HandPeer(loop, node).say({ ...hello, run: 'another run' })
    await peer.say({ kind: 'pong', clock: node.env.now() })
  }
  expect(events.map(({ type }) => type)).toEqual(['linked', 'cloned'])
  expect(events[1]).toMatchObject({ peer: 'peer' })
})

test('a new epoch is told of', async () => {
  const loop = new Loop()
  const { events, onEvent } = collect()
  const node = await loopNode(loop, 'node', { onEvent })
  await node.store.renewEpoch()
  await node.store.write([{ path: 'x', decide: () => '1' }])
  expect(events).toEqual([{ type: 'renewed', epoch: node.store.epoch }])
})

test('a node that stops tells of nothing: the end of its links is no news', async () => {
  const loop = new Loop()
  const { events, onEvent } = collect()
  await loopNode(loop, 'lead')
  const node = await loopNode(loop, 'node', { leader: 'lead', onEvent })
  await loop.settled()
  await node.sync.stop()
  await loop.settled()
  expect(events.map(({ type }) => type)).toEqual(['linked'])
})
