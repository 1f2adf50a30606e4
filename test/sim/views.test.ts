import { views } from '../../sim/scenarios.ts'
import { shareOfSeeds } from './seeds.ts'

shareOfSeeds(views)
