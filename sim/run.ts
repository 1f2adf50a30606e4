/** `npm run sim`: the simulator on its own. */
import { main } from './main.ts'

process.exitCode = await main(process.argv.slice(2))
