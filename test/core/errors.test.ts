import { describe, expect, test } from 'vitest'
import {
  errorCodes,
  messageOf,
  SkerryError,
  skerryError,
  skerryErrorFrom,
} from '../../src/core/errors.ts'

describe('an error of the table', () => {
  test('has a code, a status, and a message that says what was wrong', () => {
    const error = skerryError('PATH_INVALID', 'a//b', 'it has an empty segment')
    expect(error).toBeInstanceOf(SkerryError)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'SkerryError',
      code: 'SKERRY_PATH_INVALID',
      status: 400,
      message: "'a//b' is not a valid path: it has an empty segment",
    })
    expect(error).not.toHaveProperty('cause')
  })

  test('keeps the error that brought it about', () => {
    const cause = new Error('no space left on device')
    const error = skerryErrorFrom(cause, 'WRITE_FAILED', messageOf(cause))
    expect(error.cause).toBe(cause)
    expect(error.message).toContain('no space left on device')
    expect(error.code).toBe('SKERRY_WRITE_FAILED')
  })

  test('quotes only the beginning of hostile input', () => {
    const huge = 'x'.repeat(1e6)
    expect(skerryError('PATH_INVALID', huge, 'it is too long').message.length).toBeLessThan(300)
    expect(skerryError('OPTION_INVALID', 'port', huge, 'no').message.length).toBeLessThan(300)
    expect(skerryError('OPTION_UNKNOWN', huge).message.length).toBeLessThan(300)
    expect(skerryError('JSON_INVALID', huge).message.length).toBeLessThan(300)
  })

  test('has a status of HTTP, whatever its code', () => {
    expect(errorCodes.size).toBeGreaterThan(10)
    for (const [code, status] of errorCodes) {
      expect(code).toMatch(/^SKERRY_[A-Z]+(_[A-Z]+)*$/)
      expect(status).toBeGreaterThanOrEqual(400)
      expect(status).toBeLessThan(600)
    }
  })

  test('is told from what was thrown, Error or not', () => {
    expect(messageOf(new Error('a'))).toBe('a')
    expect(messageOf('b')).toBe('b')
    expect(messageOf(undefined)).toBe('undefined')
  })
})
