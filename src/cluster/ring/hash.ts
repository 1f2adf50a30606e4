/**
 * Hashes of strings as their UTF-8 bytes, so that other languages agree. Keys are mostly ASCII:
 * those are read code by code, without making bytes first.
 */

const CRC_TABLE = crcTable()

/**
 * CRC-32 with the IEEE polynomial, as Go's `crc32.ChecksumIEEE` and zlib compute it.
 *
 * @returns an unsigned 32-bit integer.
 */
export function crc32(text: string): number {
  let crc = -1
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 0x7f) return crc32OfBytes(utf8(text))
    crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ code) & 0xff]!
  }
  return ~crc >>> 0
}

function crc32OfBytes(bytes: Uint8Array): number {
  let crc = -1
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff]!
  return ~crc >>> 0
}

function crcTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
    return crc
  })
}

/**
 * MurmurHash3, 32 bits, seed 0 (Austin Appleby, public domain).
 *
 * @returns an unsigned 32-bit integer.
 */
export function murmur3(text: string): number {
  const length = text.length
  const blocksEnd = length & ~3
  let hash = 0
  let seen = 0
  let at = 0
  for (; at < blocksEnd; at += 4) {
    const a = text.charCodeAt(at)
    const b = text.charCodeAt(at + 1)
    const c = text.charCodeAt(at + 2)
    const d = text.charCodeAt(at + 3)
    seen |= a | b | c | d
    hash = mixBlock(hash, a | (b << 8) | (c << 16) | (d << 24))
  }
  let tail = 0
  for (let shift = 0; at < length; at++, shift += 8) {
    const code = text.charCodeAt(at)
    seen |= code
    tail |= code << shift
  }
  if (seen > 0x7f) return murmur3OfBytes(utf8(text))
  return finish(hash ^ scramble(tail), length)
}

function murmur3OfBytes(bytes: Uint8Array): number {
  const blocksEnd = bytes.length & ~3
  let hash = 0
  let at = 0
  for (; at < blocksEnd; at += 4) {
    const block =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash = mixBlock(hash, block)
  }
  let tail = 0
  for (let shift = 0; at < bytes.length; at++, shift += 8) tail |= bytes[at]! << shift
  return finish(hash ^ scramble(tail), bytes.length)
}

function mixBlock(hash: number, block: number): number {
  const mixed = hash ^ scramble(block)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

function scramble(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}

function finish(hash: number, length: number): number {
  return avalanche(hash ^ length)
}

/** The finaliser of MurmurHash3: every bit of the input changes about half of the output. */
export function avalanche(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** The UTF-8 bytes of `text`; a lone surrogate becomes U+FFFD, as everywhere on the web. */
export function utf8(text: string): Uint8Array {
  const bytes: number[] = []
  for (const character of text) {
    const point = character.codePointAt(0)!
    const code = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point
    if (code < 0x80) bytes.push(code)
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), continuation(code, 0))
    else if (code < 0x10000) {
      bytes.push(0xe0 | (code >> 12), continuation(code, 6), continuation(code, 0))
    } else {
      bytes.push(0xf0 | (code >> 18), continuation(code, 12))
      bytes.push(continuation(code, 6), continuation(code, 0))
    }
  }
  return Uint8Array.from(bytes)
}

function continuation(code: number, shift: number): number {
  return 0x80 | ((code >> shift) & 0x3f)
}
