import { ModelError } from '@chorale/model';
import { ChoraleError } from '@chorale/protocol';
import { encodeModel } from './modelEncode.ts';
import { inspectModel } from './modelInspect.ts';
import { MODEL_USAGE } from './modelUsage.ts';

const COMMANDS: Record<string, (args: string[]) => Promise<number>> = {
  inspect: inspectModel,
  encode: encodeModel,
};

/** Runs one of the commands about a model directory. */
export async function model([name = '', ...args]: string[]): Promise<number> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `expected "inspect" or "encode", got "${name}"\n\n${MODEL_USAGE}`,
    );
  }
  try {
    return await command(args);
  } catch (cause) {
    if (!(cause instanceof ModelError)) throw cause;
    throw new ChoraleError('MODEL_INVALID', cause.message, { cause });
  }
}
