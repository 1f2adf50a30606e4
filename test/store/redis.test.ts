import { afterAll, beforeAll, beforeEach, describe, test } from 'vitest'
import { storeSuite } from '../../src/testing.ts'
import { RedisServer, whyNoRedis } from '../redis-server.ts'
import { redisPlace } from './redis-place.ts'

let server: RedisServer

beforeAll(async () => {
  if (whyNoRedis() === undefined) server = await RedisServer.start()
})
beforeEach((context) => {
  const why = whyNoRedis()
  if (why) context.skip(why)
})
afterAll(() => server?.stop())

describe('the store on Redis', () => storeSuite({ test, place: () => redisPlace(server.url) }))
