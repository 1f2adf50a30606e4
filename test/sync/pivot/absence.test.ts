import fc from 'fast-check'
import { expect, test } from 'vitest'
import { judgeAbsence, type PullRecord, type Sighting } from '../../../src/sync/pivot/absence.ts'

const record: PullRecord = { lastEntry: 100n, seq: 10, cursor: 10, rewound: false }
const sighting: Sighting = { lastEntry: 120n, listed: 3, hasWitness: true, missing: 90n }

test.each<[string, PullRecord | undefined, Partial<Sighting>, string]>([
  ['nothing is missing', record, { missing: undefined }, 'fine'],
  ['a witness, and lastEntry grew', record, {}, 'deleted'],
  ['a witness, and lastEntry stayed', record, { lastEntry: 100n }, 'deleted'],
  ['a witness, but lastEntry fell', record, { lastEntry: 99n }, 'rewound'],
  ['no witness', record, { hasWitness: false }, 'rewound'],
  ['empty, above all', record, { hasWitness: false, listed: 0 }, 'deleted'],
  ['empty, lastEntry stayed', record, { hasWitness: false, listed: 0, lastEntry: 100n }, 'rewound'],
  [
    'empty, something seen is newer',
    record,
    { hasWitness: false, listed: 0, missing: 130n },
    'rewound',
  ],
  ['never pulled before', undefined, {}, 'rewound'],
  ['still under repair', { ...record, rewound: true }, {}, 'rewound'],
])('%s', (_name, known, seen, verdict) => {
  expect(judgeAbsence(known, { ...sighting, ...seen })).toBe(verdict)
})

test('absence is a delete only with proof', () => {
  const stamp = fc.bigInt({ min: 0n, max: 5n })
  const records = fc.option(
    fc.record({
      ...{ lastEntry: stamp, seq: fc.nat(3), cursor: fc.nat(3), rewound: fc.boolean() },
    }),
    { nil: undefined },
  )
  const sightings = fc.record({
    ...{ lastEntry: stamp, listed: fc.nat(2), hasWitness: fc.boolean(), missing: stamp },
  })
  fc.assert(
    fc.property(records, sightings, (known, seen) => {
      if (judgeAbsence(known, seen) !== 'deleted') return
      expect(known?.rewound).toBe(false)
      expect(seen.lastEntry >= known!.lastEntry).toBe(true)
      const isEmptyAbove = seen.listed === 0 && seen.lastEntry > seen.missing
      expect(seen.hasWitness || isEmptyAbove).toBe(true)
    }),
  )
})
