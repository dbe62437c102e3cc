import { readFileSync } from 'node:fs';

/**
 * Which numbers a simulation computes. To be raised by one with every change after which the same config, seed and backend
 * give other bits: in compute, model, lora, trainer, privacy, coordinator or here; `numerics.test.ts` fails then. Rounds
 * from before and after such a change are not rounds of one simulation.
 */
export const NUMERICS = 2;

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** The program as far as results follow from it. */
export const PROGRAM = { version: manifest.version, numerics: NUMERICS };
