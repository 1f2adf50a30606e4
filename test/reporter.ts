import { writeSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/**
 * Names every skipped test with its reason, and ends the run with the closing line
 * `N passed, N failed, N skipped`, alone on the last line.
 *
 * A file that could not be loaded, a hook that broke and an error that no test caught count as
 * failed: the closing line never looks better than the exit code.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly SerializedError[],
    reason: 'passed' | 'interrupted' | 'failed',
  ): void {
    const lines = closingLines(modules, unhandledErrors.length)
    if (reason === 'interrupted') lines.unshift('INTERRUPTED: not every test ran')
    // The other reporters write at the end of the run too; at exit, nothing comes after this.
    process.once('exit', () => writeSync(process.stdout.fd, `\n${lines.join('\n')}\n`))
  }
}

function closingLines(modules: readonly TestModule[], unhandled: number): string[] {
  const count = { passed: 0, failed: unhandled, skipped: 0 }
  const skips: string[] = []
  for (const module of modules) {
    count.failed += brokenOutsideTests(module)
    for (const test of module.children.allTests()) {
      const result = test.result()
      if (result.state === 'pending') count.failed++
      else count[result.state]++
      if (result.state !== 'skipped') continue
      const name = `${module.relativeModuleId} > ${test.fullName}`
      skips.push(`SKIPPED ${name}: ${result.note ?? 'NO REASON GIVEN'}`)
    }
  }
  return [...skips, `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`]
}

/** Errors of the file and of its suites, which belong to no single test. */
function brokenOutsideTests(module: TestModule): number {
  let broken = module.errors().length
  for (const suite of module.children.allSuites()) broken += suite.errors().length
  return broken
}
