import { topologies } from '../../sim/scenarios.ts'
import { shareOfSeeds } from './seeds.ts'

shareOfSeeds(topologies)
