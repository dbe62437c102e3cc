import { wireError } from '@chorale/protocol';
import { BACKUP_USAGE, parseBackupOptions, runBackup } from './backupCommand.ts';
import { stderrLog } from './log.ts';

/** The program behind `chorale backup`. */
async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(BACKUP_USAGE);
    return 0;
  }
  try {
    await runBackup(parseBackupOptions(args), (line) => process.stdout.write(`${line}\n`));
    return 0;
  } catch (error) {
    const { code, message } = wireError(error);
    if (code !== 'INTERNAL') process.stderr.write(`${code}: ${message}\n`);
    else stderrLog.error({ err: error }, 'the data directory could not be copied');
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
