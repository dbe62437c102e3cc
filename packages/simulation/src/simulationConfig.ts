import type { RunConfig } from '@chorale/protocol';
import { ChoraleError, parseRunConfig } from '@chorale/protocol';
import { z } from 'zod';

const share = z.number().min(0).max(1);

const splitSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('iid') }),
  z.strictObject({
    kind: z.literal('label-skew'),
    /** One row a client: the share of each label among her rows. */
    mix: z
      .array(
        z.array(share).refine((row) => Math.abs(row.reduce((sum, one) => sum + one, 0) - 1) < 1e-6, {
          error: 'the shares of a client must add up to 1',
        }),
      )
      .min(1),
  }),
  z.strictObject({ kind: z.literal('dirichlet'), alpha: z.number().min(1e-3).max(1e6) }),
]);

/** What a simulation adds to a run config. */
const simulationSchema = z.strictObject({
  clients: z.int().min(1).max(10_000),
  /** The labelled rows of all clients together, relative to the config. */
  train: z.string().min(1),
  split: splitSchema,
  /** Rows of each client; without it as many as the data allow. */
  examplesPerClient: z.int().min(1).optional(),
  /** The adapter is tested after every so many rounds, and after the last. */
  evaluateEvery: z.int().min(1).default(1),
  /**
   * `config`: A and the head's start come from adapter.seed, the same for all seeds; `simulation`: from the seed of the
   * simulation, so that the spread over seeds has their luck in it.
   */
  adapterSeed: z.enum(['config', 'simulation']).default('config'),
});

export type SimulationSettings = z.infer<typeof simulationSchema>;

/** A run and how its clients are made up. */
export type SimulationConfig = { run: RunConfig; simulation: SimulationSettings };

/**
 * Checks a run config with a section `simulation`.
 * @param value      parsed JSON
 * @param sourceName what to call it in the error ("run.json")
 * @throws {ChoraleError} CONFIG_INVALID, with one line per problem: where, what was expected, what came
 */
export function parseSimulationConfig(value: unknown, sourceName: string): SimulationConfig {
  if (typeof value !== 'object' || value === null || !('simulation' in value)) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `${sourceName}: expected a run config with a section "simulation": ` +
        '{"clients": 3, "train": "train.tsv", "split": {"kind": "iid"}}',
    );
  }
  const { simulation: section, ...rest } = value;
  const run = parseRunConfig(rest, sourceName);
  const result = simulationSchema.safeParse(section);
  if (!result.success) {
    const problems = result.error.issues.map(
      ({ path, message }) => `${['simulation', ...path].join('.')}: ${message}`,
    );
    throw new ChoraleError('CONFIG_INVALID', `${sourceName}: ${problems.join('; ')}`);
  }
  const { clients, split } = result.data;
  const problem = (text: string) => new ChoraleError('CONFIG_INVALID', `${sourceName}: ${text}`);
  if (run.rounds.cohortSize > clients) {
    throw problem(
      `rounds.cohortSize is ${run.rounds.cohortSize}, expected at most simulation.clients, ${clients}`,
    );
  }
  if (split.kind === 'label-skew' && split.mix.length !== clients) {
    throw problem(
      `simulation.split.mix: expected a row for each of ${clients} clients, got ${split.mix.length}`,
    );
  }
  return { run, simulation: result.data };
}
