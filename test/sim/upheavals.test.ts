import { upheavals } from '../../sim/scenarios.ts'
import { shareOfSeeds } from './seeds.ts'

shareOfSeeds(upheavals)
