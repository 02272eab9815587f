import { Command } from 'commander';
import { runImport } from '../intake/import.js';

/** `iwd import FILE --map mapping.json`: the arguments and the help are those of `npm run import`. */
export function importCommand(): Command {
  return new Command('import')
    .description('posts the records of a CSV or NDJSON file as work items; import --help says more')
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_options, command: Command) => {
      process.exitCode = await runImport(command.args);
    });
}
