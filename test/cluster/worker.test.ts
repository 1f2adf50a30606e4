import { afterEach, expect, test } from 'vitest'
import { createCluster } from '../../src/cluster.ts'
import type { Cluster, ClusterOptions, Worker } from '../../src/cluster.ts'
import { until } from '../redis-server.ts'

// What takes partitions, pauses and failovers to show is shown by the simulator.

const cleanUp: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
})

async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = createCluster({ slots: 64, leaseMs: 400, ...options })
  cleanUp.push(() => cluster.destroy())
  await cluster.start()
  return cluster
}

async function startWorker(cluster: Cluster, id: string): Promise<Worker> {
  await cluster.join({ id, address: 'localhost', port: 1 })
  const worker = cluster.worker(id)
  await worker.start()
  return worker
}

const slotsOf = (worker: Worker) => worker.rights().map(({ slot }) => slot)

test('assigned comes with epochs and keys, and the keys are all there', async () => {
  const cluster = await startCluster()
  const keys = Array.from({ length: 200 }, (_, index) => `key-${index}`)
  await cluster.distribute(keys)
  await cluster.join({ id: 'a', address: 'localhost', port: 1 })
  const worker = cluster.worker('a')
  const assigned = new Map<string, number>()
  worker.on('assigned', ({ slots }) => {
    for (const { epoch, keys: mine } of slots) mine.forEach((key) => assigned.set(key, epoch))
  })
  await worker.start()
  expect([...assigned.keys()].sort()).toEqual([...keys].sort())
  for (const [key, epoch] of assigned) expect(worker.epochOf(key)).toBe(epoch)
  await cluster.distribute(['a new one'])
  expect((await worker.keys()).get('a new one')).toBe(worker.epochOf('a new one'))
})

test('a move has two phases: what is revoked is finished before it is assigned', async () => {
  const cluster = await startCluster()
  const first = await startWorker(cluster, 'a')
  let finish: () => void = () => {}
  const finished = new Promise<void>((resolve) => (finish = resolve))
  const revoked: number[] = []
  first.on('revoked', ({ slots, reason, waitUntil }) => {
    expect(reason).toBe('moved')
    revoked.push(...slots.map(({ slot }) => slot))
    waitUntil(finished)
  })
  const kept = slotsOf(first)
  const second = await startWorker(cluster, 'b')
  await until(() => revoked.length === 32, 'the revocation')
  // Nobody has the right to what is moving; what stays was never interrupted.
  expect(slotsOf(second)).toEqual([])
  expect(slotsOf(first).sort()).toEqual(kept.filter((slot) => !revoked.includes(slot)).sort())
  finish()
  await until(() => slotsOf(second).length === 32, 'the assignment')
  expect(slotsOf(second).sort()).toEqual([...revoked].sort())
})

test('epochs grow with every change of owner', async () => {
  const cluster = await startCluster({ slots: 1 })
  const epochs: number[] = []
  const worker = await startWorker(cluster, 'a')
  epochs.push(worker.rights()[0]!.epoch)
  for (const [id, other] of [
    ['b', 'a'],
    ['c', 'b'],
  ] as const) {
    const next = await startWorker(cluster, id)
    await cluster.drain(other)
    await until(() => next.rights().length === 1, `${id} to take over`)
    epochs.push(next.rights()[0]!.epoch)
  }
  expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b))
})

test('drain resolves when the last slot is handed over', async () => {
  const cluster = await startCluster()
  const first = await startWorker(cluster, 'a')
  const second = await startWorker(cluster, 'b')
  await until(() => slotsOf(second).length === 32, 'both to have their share')
  let finished = false
  first.on('revoked', ({ waitUntil }) =>
    waitUntil(
      until(() => cluster.getNodeHealth('a').draining).then(() => {
        finished = true
      }),
    ),
  )
  await cluster.drain('a')
  expect(finished).toBe(true)
  expect(slotsOf(first)).toEqual([])
  await until(() => slotsOf(second).length === 64, 'the other to have everything')
})

test('moves are limited: only so many slots of a worker are handed over at one time', async () => {
  const cluster = await startCluster({ moveConcurrency: 5 })
  const first = await startWorker(cluster, 'a')
  let [leaving, most] = [0, 0]
  first.on('revoked', ({ slots, waitUntil }) => {
    leaving += slots.length
    most = Math.max(most, leaving)
    waitUntil(
      Promise.resolve().then(() => {
        leaving -= slots.length
      }),
    )
  })
  const second = await startWorker(cluster, 'b')
  await until(() => slotsOf(second).length === 32, 'the handover')
  expect(most).toBe(5)
})

test('a listener that never finishes does not hold a slot for ever', async () => {
  const cluster = await startCluster({ handoverTimeoutMs: 100 })
  const first = await startWorker(cluster, 'a')
  const errors: string[] = []
  first.on('error', ({ error }) => errors.push(error.message))
  first.on('revoked', ({ waitUntil }) => waitUntil(new Promise(() => {})))
  const second = await startWorker(cluster, 'b')
  await until(() => slotsOf(second).length === 32, 'the handover')
  expect(errors[0]).toMatch(/did not finish revoked work within 100 ms/)
})

test('a worker that stops gives everything back, and may not start again', async () => {
  const cluster = await startCluster()
  const worker = await startWorker(cluster, 'a')
  expect(slotsOf(worker)).toHaveLength(64)
  await worker.stop()
  expect(worker.rights()).toEqual([])
  expect(worker.epochOf('any')).toBeUndefined()
  await expect(worker.start()).rejects.toMatchObject({ code: 'SKERRY_CLUSTER_CLOSED' })
})
