import { LED_KEYS, offered } from '../layout.ts'
import { randomPlan } from '../plans.ts'
import { checkConfined } from '../checkers.ts'
import type { Scene } from '../scene.ts'

/** Keys with different leaders, and paths that stay on their node. */
export const mixedLeaders: Scene = {
  name: 'mixed',
  summary: 'some keys follow one leader, some another, and some stay on their node',
  plan: (random) => {
    const plan = randomPlan(random, 'mixed')
    // A leader may offer more than its nodes want of it.
    return random.chance(0.3)
      ? { ...plan, keys: (i) => (i < LED_KEYS.length ? ['**'] : offered('mixed', i)) }
      : plan
  },
  begin: (cluster) => ({ check: () => checkConfined(cluster) }),
}
