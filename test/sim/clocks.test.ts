import { clocks } from '../../sim/scenarios.ts'
import { shareOfSeeds } from './seeds.ts'

shareOfSeeds(clocks)
