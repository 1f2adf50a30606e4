import { expect, onTestFinished, test } from 'vitest'
import { createServer } from '../../src/index.ts'
import { EVERYONE } from '../../src/server/access/access.ts'
import { parseRequest, perform } from '../../src/server/sockets/operations.ts'
import { TurnOrder } from '../../src/server/sockets/order.ts'
import { runningNode } from './running.ts'

test('writes that arrive in one turn of the event loop share a group of the store', async () => {
  const { app, store } = await runningNode()
  const groups: number[] = []
  store.watch(({ changes }) => groups.push(changes.length))
  const answers = await Promise.all([
    ...Array.from({ length: 10 }, (_, n) => {
      return app.inject({ method: 'POST', url: `/box/${n}`, payload: `${n}` })
    }),
    app.inject({ method: 'POST', url: '/box/*', payload: '11' }),
  ])
  expect(answers.map(({ statusCode }) => statusCode)).toEqual(Array(11).fill(200))
  expect(groups).toEqual([11])
})

test('reads that arrive in one turn of the event loop are answered together, at its end', async () => {
  const order: string[] = []
  const server = await createServer({ port: 0, memory: true })
  onTestFinished(() => server.close())
  const { app } = server
  app.addHook('onRequest', (_request, _reply, done) => {
    order.push('asked')
    done()
  })
  app.addHook('onSend', (_request, _reply, payload, done) => {
    order.push('answered')
    done(null, payload)
  })
  await app.inject({ method: 'POST', url: '/box/1', payload: '1' })
  order.length = 0
  const read = () => app.inject({ method: 'GET', url: '/box/1' })
  const answers = await Promise.all([read(), read(), read()])
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200])
  expect(order.join()).toBe('asked,asked,asked,answered,answered,answered')
})

test('writes of several live sockets and batches in one turn share a group too', async () => {
  const { app, state, store } = await runningNode()
  const groups: number[] = []
  store.watch(({ changes }) => groups.push(changes.length))
  const live = async (n: number): Promise<string> => {
    // Each message of a socket comes some microtasks after the other.
    for (let wait = 0; wait < 10 * n; wait++) await Promise.resolve()
    const request = parseRequest(`{"id":${n},"op":"set","path":"box/${n}","data":${n}}`)
    return perform(request, { state: state.text, principal: EVERYONE, order: new TurnOrder() })
  }
  const payload = '[{"op":"set","path":"box/a","data":1},{"op":"set","path":"box/b","data":2}]'
  const [batch, ...answers] = await Promise.all([
    app.inject({ method: 'POST', url: '/_skerry/batch', payload }),
    ...Array.from({ length: 10 }, (_, n) => live(n)),
  ])
  expect(batch.statusCode).toBe(200)
  expect(answers).toHaveLength(10)
  expect(groups.length).toBeLessThanOrEqual(2)
  expect(groups.reduce((sum, size) => sum + size)).toBe(12)
})
