import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The folders of the files that take longest, in that order. */
const LONGEST = ['/test/sim/', '/test/cli/']

/**
 * Has long files begin first, so that none of them runs alone at the end. Vitest knows by itself how long files took
 * the last time; in a fresh clone it would begin with the largest ones.
 */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const early = LONGEST.map((folder) => sorted.filter((file) => file.moduleId.includes(folder)))
    return [...new Set([...early.flat(), ...sorted])]
  }
}
