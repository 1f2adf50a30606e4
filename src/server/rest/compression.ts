import { Negotiator } from '@fastify/accept-negotiator'
import type { FastifyReply } from 'fastify'
import { brotliCompress, constants, gzip } from 'node:zlib'

/** Answers below this are sent as they are: compressing them costs more than it saves. */
export const COMPRESS_FROM_BYTES = 16 * 1024

/** Of Brotli's 0 to 11: beyond it answers take far longer for hardly fewer bytes. */
const BROTLI_QUALITY = 4

type Done = (error: Error | null, packed: Buffer) => void

const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } }

const PACKERS: Readonly<Record<string, (text: string, done: Done) => void>> = {
  br: (text, done) => brotliCompress(text, BROTLI, done),
  gzip,
}

/** The first one is preferred where a client likes several equally well. */
const encodings = new Negotiator({ supportedValues: [...Object.keys(PACKERS), 'identity'] })

/**
 * Sends a text, compressed if it is large and the client takes that. Never used for streams of events.
 *
 * Nothing is hooked into requests for it: most answers are small, and would pay for what few need.
 */
export function sendText(reply: FastifyReply, text: string): FastifyReply {
  if (text.length < COMPRESS_FROM_BYTES) return reply.send(text)
  const accepted = reply.request.headers['accept-encoding']
  varyByEncoding(reply)
  const encoding = accepted === undefined ? undefined : encodings.negotiate(accepted)
  const pack = PACKERS[encoding ?? 'identity']
  if (pack === undefined) return reply.send(text)
  pack(text, (error, packed) => {
    if (error !== null) void reply.send(error)
    else void reply.header('content-encoding', encoding).send(packed)
  })
  return reply
}

/** Caches keep the answer apart for each way it may be encoded. */
function varyByEncoding(reply: FastifyReply): void {
  const others = reply.getHeader('vary')
  const names = others === undefined ? [] : [String(others)]
  void reply.header('vary', [...names, 'accept-encoding'].join(', '))
}
