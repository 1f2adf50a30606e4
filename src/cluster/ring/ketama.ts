import { md5 } from '@noble/hashes/legacy.js'
import { utf8 } from './hash.ts'

const POINTS_PER_DIGEST = 4

/** `count` points of a node by ketama's rule. */
export function digestPoints(id: string, count: number): number[] {
  const points: number[] = []
  for (let index = 0; points.length < count; index++) {
    const digest = md5(utf8(`${id}-${index}`))
    for (let part = 0; part < POINTS_PER_DIGEST && points.length < count; part++) {
      points.push(littleEndian(digest, part * 4))
    }
  }
  return points
}

/** Where a key lies by ketama's rule: the first four bytes of its MD5. */
export function keyPoint(key: string): number {
  return littleEndian(md5(utf8(key)), 0)
}

function littleEndian(bytes: Uint8Array, at: number): number {
  const value = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
  return value >>> 0
}
