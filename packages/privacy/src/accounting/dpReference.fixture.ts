/*
 * Test-only. Reads the shared reference values (sources and methods are in the file itself) when the checkout has
 * them beside it; the tests hold copies of the most important ones, so that they also work without.
 */
type RdpRow = { q: string; sigma: string; order: number | string; rdp_one_step: number };
export type DpReference = {
  autodp_rdp: { q: number; sigma: number; order: number; steps: number; own_exact: number }[];
  library_runs: {
    rows: {
      name: string;
      q: number;
      sigma: number;
      steps: number;
      delta: number;
      own_extrapolated: number;
      opacus_rdp: [number, number];
    }[];
  };
  derived: { rdp_integer_order: RdpRow[]; rdp_fractional_order: RdpRow[] };
  calibration_derived: { q: number; steps: number; delta: number; target_eps: number; sigma: number }[];
};

type FileSystem = { existsSync(path: string): boolean; readFileSync(path: string, encoding: 'utf8'): string };
type NodeProcess = { getBuiltinModule(name: 'node:fs'): FileSystem };

// The package compiles without Node's types; tests run in Node.
const { process, console } = globalThis as unknown as {
  process: NodeProcess;
  console: { warn(text: string): void };
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
