import fc from 'fast-check'

/**
 * Which examples the property tests make up: the same ones each time, so that a run can be repeated
 * and a change is judged by what it changes. PROPERTY_SEED, a whole number, plays others.
 */
fc.configureGlobal({ seed: Number(process.env['PROPERTY_SEED'] ?? 1) })
