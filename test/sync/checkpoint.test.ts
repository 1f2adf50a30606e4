import { expect, test } from 'vitest'
import type { Entry } from '../../src/core/entry.ts'
import type { EngineOp } from '../../src/store/engine.ts'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import type { Message } from '../../src/sync/messages.ts'
import { VirtualEnv } from '../../src/testing/env.ts'
import { HandPeer } from './hand.ts'
import { Loop, type LoopNode, loopNode } from './loop.ts'

/** A disk whose writes wait to be told how they end. */
class SlowEngine extends MemoryEngine {
  readonly waiting: ((outcome: 'done' | 'failed') => void)[] = []
  slow = false

  override async write(ops: readonly EngineOp[], shown?: () => void): Promise<void> {
    if (this.slow) {
      const outcome = await new Promise((resolve) => this.waiting.push(resolve))
      if (outcome === 'failed') throw new Error('the disk is full')
    }
    return super.write(ops, shown)
  }
}

const entry = (n: number): Entry => {
  return { path: `users/${n}`, created: BigInt(n), updated: 0n, origin: 'peer', data: '1' }
}

const changes = (upTo: number): Message => {
  return { kind: 'changes', since: upTo - 1, upTo, entries: [entry(upTo)] }
}

async function meet(): Promise<{ engine: SlowEngine; node: LoopNode; peer: HandPeer }> {
  const loop = new Loop()
  const engine = new SlowEngine()
  const node = await loopNode(loop, 'node', { engine })
  const peer = new HandPeer(loop, node)
  await peer.shakeHands()
  engine.slow = true
  return { engine, node, peer }
}

test('after a merge that failed, no later change of the stream writes a checkpoint', async () => {
  const { engine, node, peer } = await meet()
  await peer.say(changes(1))
  await peer.say(changes(2))
  engine.waiting.shift()!('failed')
  engine.slow = false
  await peer.say({ kind: 'ping', clock: 0n })
  expect(peer.all('ack')).toEqual([])
  expect(peer.bye).toBe('SKERRY_WRITE_FAILED')
  expect(node.store.checkpoint('peer', 'users/*')?.seq ?? 0).toBe(0)
})

test('changes that arrive during a merge are merged together, and each is acknowledged', async () => {
  const { engine, node, peer } = await meet()
  await peer.say(changes(1))
  await peer.say(changes(2), changes(3))
  expect(engine.waiting).toHaveLength(1)
  engine.waiting.shift()!('done')
  await peer.say()
  expect(peer.all('ack').map(({ upTo }) => upTo)).toEqual([1])
  engine.waiting.shift()!('done')
  await peer.say()
  expect(peer.all('ack').map(({ upTo }) => upTo)).toEqual([1, 2, 3])
  expect(node.store.checkpoint('peer', 'users/*')?.seq).toBe(3)
})

test('a node stops though its disk takes no more progress', async () => {
  const { engine, node, peer } = await meet()
  await peer.say({ kind: 'changes', since: 0, upTo: 5, entries: [] })
  const stopped = node.sync.stop()
  await peer.say()
  engine.waiting.shift()!('failed')
  await stopped
  await peer.say()
  expect(peer.closed).toBe(true)
})

test('a checkpoint is dropped if the store has begun a new history since the link began', async () => {
  const engine = new MemoryEngine()
  const env = new VirtualEnv()
  const store = await LocalStore.open(engine, env, { nodeId: 'node' })
  const position = { epoch: 'theirs', run: 'run', seq: 4 }
  const checkpoint = { peer: 'peer', key: '**', position, ownEpoch: store.epoch }
  await store.saveCheckpoints([checkpoint])
  // All three share one group: what was kept just before the new epoch goes, and so does what comes after.
  await Promise.all([
    store.saveCheckpoints([{ ...checkpoint, peer: 'before' }]),
    store.renewEpoch(),
    store.merge([entry(1)], { peer: 'after', checkpoints: [{ ...checkpoint, peer: 'after' }] }),
  ])
  for (const opened of [store, await LocalStore.open(engine, env)]) {
    for (const peer of ['peer', 'before', 'after']) {
      expect(opened.checkpoint(peer, '**')).toBeUndefined()
    }
    expect((await opened.read('users/1'))?.data).toBe('1')
  }
  await store.saveCheckpoints([{ ...checkpoint, ownEpoch: store.epoch }])
  expect(store.checkpoint('peer', '**')).toEqual(position)
})
