/*
 * Test-only. Reads the shared reference values (sources and methods are in the file itself) when the checkout has
 * them beside it; the tests hold copies of the most important ones, so that they also work without.
 */
type Row<Text extends string, Numeric extends string> = Record<Text, string> & Record<Numeric, number>;

export type DpReference = {
  /** Numbers written in papers and in the tests of other libraries. Which fields a row has depends on its kind. */
  literals: {
    id: string;
    kind: 'eps' | 'delta' | 'sigma' | 'rdp';
    method: string;
    adjacency?: 'add/remove' | 'add' | 'remove' | 'replace';
    mechanism?: string;
    q?: number;
    sigma?: number;
    steps?: number;
    order?: number;
    eps?: number;
    delta?: number;
    target_eps?: number;
    value: number;
    /** A string, like 'rtol 1e-4', for a relative one. */
    tolerance: number | string | null;
    own_recomputation?: number | string;
    note?: string;
  }[];
  autodp_rdp: Row<never, 'q' | 'sigma' | 'order' | 'steps' | 'own_exact'>[];
  library_runs: {
    rows: (Row<'name', 'q' | 'sigma' | 'steps' | 'delta' | 'own_extrapolated' | 'google_pld_1e-4'> & {
      opacus_rdp: [epsilon: number, order: number];
      opacus_prv_upper: number;
      prv_accountant_low_est_up: [number, number, number] | null;
    })[];
    adjacency: (Row<never, 'q' | 'sigma' | 'steps' | 'delta'> &
      Record<'add_remove' | 'zero_out' | 'replace', number>)[];
    truncated_poisson: object[];
    sampled_without_replacement_rdp_replace_one: object[];
  };
  derived: {
    gaussian_delta: Row<'mu' | 'eps', 'delta'>[];
    gaussian_eps: Row<'sigma' | 'delta', 'steps' | 'eps'>[];
    gaussian_sigma: Row<'eps' | 'delta', 'steps' | 'sigma'>[];
    rdp_integer_order: (Row<'q' | 'sigma', 'rdp_one_step'> & { order: number | string })[];
    rdp_fractional_order: (Row<'q' | 'sigma', 'rdp_one_step'> & { order: number | string })[];
    hockey_stick_one_step: (Row<'q' | 'sigma' | 'eps', 'delta'> & { direction: 'remove' | 'add' })[];
    hockey_stick_two_steps: (Row<'q' | 'sigma' | 'eps', 'delta'> & { direction: 'remove' | 'add' })[];
    rdp_to_eps_integer_orders: Row<
      'q' | 'sigma' | 'delta' | 'orders',
      'steps' | 'eps_improved' | 'order_improved'
    >[];
    pld_tight_eps: Row<
      never,
      'q' | 'sigma' | 'steps' | 'delta' | 'eps_remove' | 'eps_add' | 'eps_replace' | 'grid_gap'
    >[];
    gdp_clt_eps_NOT_A_BOUND: Row<never, 'q' | 'sigma' | 'steps' | 'delta' | 'gdp'>[];
    shuffle_lower_bound: object[];
  };
  calibration_derived: Row<never, 'q' | 'steps' | 'delta' | 'target_eps' | 'sigma'>[];
};

type FileSystem = { existsSync(path: string): boolean; readFileSync(path: string, encoding: 'utf8'): string };
type NodeProcess = { getBuiltinModule(name: 'node:fs'): FileSystem };

// The package compiles without Node's types; tests run in Node.
const { process, console } = globalThis as unknown as {
  process: NodeProcess;
  console: Record<'log' | 'warn', (text: string) => void>;
};
const fs = process.getBuiltinModule('node:fs');
const folder = (import.meta as unknown as { dirname: string }).dirname;
const path = `${folder}/../../../../../shared/reference/dp.json`;

export const dpReference: DpReference | null = fs.existsSync(path)
  ? (JSON.parse(fs.readFileSync(path, 'utf8')) as DpReference)
  : null;
if (dpReference === null) {
  console.warn(
    'SKIPPED: no ../shared/reference/dp.json beside the checkout; only the copied values are tested',
  );
}

/** Says how much of the reference a test used. */
export function printCoverage(text: string): void {
  console.log(`dp.json: ${text}`);
}
