import type { Command } from 'commander'

export function addSim(program: Command): void {
  program
    .command('sim')
    .description('run whole nodes over simulated time, network and disk, from one seed')
    .argument('[options...]', 'see skerry sim --help')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (options: readonly string[]) => {
      // Nobody else needs to load the simulator.
      const { main } = await import('../../sim/main.ts')
      process.exitCode = await main(options)
    })
}
