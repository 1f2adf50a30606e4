import { expect, test } from 'vitest'
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
