import { ChoraleError } from '@chorale/protocol';
import { AUDIT_USAGE, audit } from './audit.ts';
import { backUp } from './backup.ts';
import { CONTRIBUTE_USAGE, contribute } from './contribute.ts';
import { DEMO_USAGE, demo } from './demo/demo.ts';
import { EPSILON_USAGE, epsilon } from './epsilon.ts';
import { exportAdapter } from './export.ts';
import { LOAD_USAGE, load } from './load/load.ts';
import { model } from './model.ts';
import { MODEL_USAGE } from './modelUsage.ts';
import { NOISE_USAGE, noise } from './noise.ts';
import { serve } from './serve.ts';
import { SIMULATE_USAGE, simulate } from './simulate.ts';

/** usage: null where the command has its own --help. */
type Command = { usage: string | null; run: (args: string[]) => Promise<number> };

const COMMANDS: Record<string, Command> = {
  demo: { usage: DEMO_USAGE, run: demo },
  serve: { usage: null, run: serve },
  contribute: { usage: CONTRIBUTE_USAGE, run: contribute },
  export: { usage: null, run: exportAdapter },
  backup: { usage: null, run: backUp },
  simulate: { usage: SIMULATE_USAGE, run: simulate },
  model: { usage: MODEL_USAGE, run: model },
  epsilon: { usage: EPSILON_USAGE, run: epsilon },
  noise: { usage: NOISE_USAGE, run: noise },
  load: { usage: LOAD_USAGE, run: load },
  audit: { usage: AUDIT_USAGE, run: audit },
};

const USAGE = `chorale COMMAND [options]

  demo          a server and a few real tabs on this machine, start to finish
  serve         a server that waits for contributors
  contribute    take part in a run from this process, without a browser
  export        the trained adapter of a run, as Hugging Face PEFT loads it
  backup        a copy of a server's data directory, while it runs
  simulate      a whole run with many clients in this process, without a network
  model         what a model directory holds, and what it makes of a text
  epsilon       what training costs: epsilon of so many steps with so much noise
  noise         the noise that keeps training within an epsilon
  load          synthetic contributors against a server: how much it takes, and whether it holds
  audit         attack the training step and compare with what is claimed for it

chorale COMMAND --help says more.
`;

async function main([name, ...args]: string[]): Promise<number> {
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) {
    const asked = name === '--help' || name === undefined;
    (asked ? process.stdout : process.stderr).write(asked ? USAGE : `Unknown command "${name}".\n\n${USAGE}`);
    return asked ? 0 : 2;
  }
  if (args.includes('--help') && command.usage !== null) {
    process.stdout.write(command.usage);
    return 0;
  }
  try {
    return await command.run(args);
  } catch (error) {
    if (!(error instanceof ChoraleError)) throw error;
    process.stderr.write(`${error.code}: ${error.message}\n`);
    return 1;
  }
}

// Worker threads and open sockets of a finished command must not keep the process
process.exit(await main(process.argv.slice(2)));
