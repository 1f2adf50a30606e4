import { Audience } from '../audience.ts'
import { TOPOLOGIES } from '../layout.ts'
import { randomPlan } from '../plans.ts'
import type { Scene } from '../scene.ts'

/** Subscribers at all nodes, while clients are at work and anything goes wrong. */
export const watching: Scene = {
  name: 'watching',
  summary: 'what subscribers hold, however they come and go, is what their node has at that moment',
  plan: (random) => randomPlan(random, random.pick(TOPOLOGIES)),
  begin: (cluster) => {
    const audience = new Audience(cluster)
    return {
      calm: () => Promise.resolve(audience.start()),
      mend: () => audience.gather(),
      check: () => audience.check(),
    }
  },
}
