import { expect, test } from 'vitest'
import { History } from '../../src/state/history.ts'

function filled(count: number, length: number, worth = Infinity): History {
  const history = new History()
  for (let n = 0; n < count; n++) history.add(`v${n}`, { text: `${n}`.padEnd(length) }, worth)
  return history
}

function texts(history: History, version: string, worth = Infinity): string[] | undefined {
  return history.since(version, worth)?.map(({ text }) => text.trim())
}

test('what came after a version comes in order', () => {
  const history = filled(5, 10)
  expect(texts(history, 'v2')).toEqual(['2', '3', '4'])
  expect(texts(history, 'v4')).toEqual(['4'])
  expect(texts(history, 'v5')).toBeUndefined()
  expect(texts(history, '')).toBeUndefined()
})

test('patches longer than a snapshot are not worth it', () => {
  const history = filled(5, 10)
  expect(texts(history, 'v2', 30)).toHaveLength(3)
  expect(texts(history, 'v2', 29)).toBeUndefined()
})

test('after a snapshot, no patch leads on from the versions before', () => {
  const history = filled(5, 10)
  history.clear()
  expect(texts(history, 'v4')).toBeUndefined()
  history.add('v5', { text: 'next' }, 1000)
  expect([texts(history, 'v4'), texts(history, 'v5')]).toEqual([undefined, ['next']])
})

test('the history is bounded in patches, in characters and by what a snapshot is worth', () => {
  const many = filled(1500, 1)
  expect([texts(many, 'v499'), texts(many, 'v500')?.length]).toEqual([undefined, 1000])
  const long = filled(20, 100_000)
  expect([texts(long, 'v9'), texts(long, 'v10')?.length]).toEqual([undefined, 10])
  const small = filled(20, 10, 55)
  expect([texts(small, 'v14'), texts(small, 'v15')?.length]).toEqual([undefined, 5])
})
