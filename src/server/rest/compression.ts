import compress from '@fastify/compress'
import type { FastifyInstance, FastifyReply } from 'fastify'

/** Answers below this are sent as they are: compressing them costs more than it saves. */
export const COMPRESS_FROM_BYTES = 16 * 1024

/** Lets routes of the application send large answers compressed. */
export function allowCompression(app: FastifyInstance): void {
  void app.register(compress, {
    global: false,
    threshold: COMPRESS_FROM_BYTES,
    encodings: ['br', 'gzip'],
  })
}

/** Sends a text, compressed if it is large and the client takes that. Never used for streams of events. */
export function sendText(reply: FastifyReply, text: string): FastifyReply {
  if (text.length < COMPRESS_FROM_BYTES) return reply.send(text)
  reply.compress(text)
  return reply
}
