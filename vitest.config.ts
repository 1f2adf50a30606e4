import { defineConfig } from 'vitest/config'
import LongestFirst from './test/sequencer.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'sim/**/*.test.ts'],
    reporters: ['default', './test/reporter.ts'],
    setupFiles: ['./test/properties.ts'],
    allowOnly: false,
    sequence: { sequencer: LongestFirst },
    // CommonJS packages look to the tests as Node shows them to the product.
    deps: { interopDefault: false },
    // Tests wait on events and conditions; this is only the deadline of one that never comes.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
  },
})
