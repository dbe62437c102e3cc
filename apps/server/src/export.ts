import { wireError } from '@chorale/protocol';
import { EXPORT_USAGE, parseExportOptions, runExport } from './exportCommand.ts';
import { stderrLog } from './log.ts';
import { trainerParts } from './trainerParts.ts';

/** The program behind `chorale export`. */
async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(EXPORT_USAGE);
    return 0;
  }
  try {
    await runExport(parseExportOptions(args), trainerParts, (line) => process.stdout.write(`${line}\n`));
    return 0;
  } catch (error) {
    const { code, message } = wireError(error);
    if (code !== 'INTERNAL') process.stderr.write(`${code}: ${message}\n`);
    else stderrLog.error({ err: error }, 'the adapter could not be exported');
    return 1;
  }
}

// The accountant's thread must not keep the process
process.exit(await main(process.argv.slice(2)));
