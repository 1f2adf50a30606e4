import { expect, test } from 'vitest'
import { Audience } from '../../src/cluster/notices.ts'
import type { Notice } from '../../src/cluster/registry.ts'

test.each(['', '{', '7', 'null', '{"type":"party"}', '{"type":"ask","id":7}', '{"type":"ask"}'])(
  'what is no notice is nobody’s: %s',
  (text) => {
    const audience = new Audience()
    const heard: Notice[] = []
    audience.subscribe((notice) => heard.push(notice))
    audience.hear(text)
    expect(heard).toEqual([])
  },
)

test('a notice reaches all who subscribed, and nobody who left', () => {
  const audience = new Audience()
  const heard: string[] = []
  const leave = audience.subscribe(({ type }) => heard.push(`first ${type}`))
  audience.subscribe(({ type }) => heard.push(`second ${type}`))
  audience.hear('{"type":"vouch","id":"a","incarnation":3}')
  leave()
  audience.tell({ type: 'changed' })
  expect(heard).toEqual(['first vouch', 'second vouch', 'second changed'])
})

test('what a listener throws is not taken for a malformed notice: it comes out', () => {
  const audience = new Audience()
  audience.subscribe(() => {
    throw new Error('a defect')
  })
  expect(() => audience.hear('{"type":"changed"}')).toThrow('a defect')
})
