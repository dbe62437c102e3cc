import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { measureInChromium } from './trainStep/inChromium.ts';
import type { Measured } from './trainStep/measure.ts';
import { measure } from './trainStep/measure.ts';
import { startPytorch } from './trainStep/pytorch.ts';
import type { Backend } from './trainStep/shapes.ts';
import { BACKENDS, SHAPES } from './trainStep/shapes.ts';

/*
 * What a training step costs: our backward pass beside tfjs's tape with a copy of B for each example, the step with
 * differential privacy beside the plain one, and wasm beside PyTorch on one thread; all in one run, in turns. Takes about
 * six minutes on a quiet machine of two cores. Prints one JSON object; --out writes it too, --backend measures one backend
 * only. Every ratio of times is published as `Ratio` says: median, spread, and the ratio of medians.
 *
 *   npm run bench:train-step -- --out bench/results/train-step.json
 */

/** Of issue 4: the step's memory beside the tape's, its time beside the tape's, private beside plain, wasm beside PyTorch. */
const AIMS = { peakBytes: 0.3, time: 1, privateToPlain: 1.15, privateToPytorch: 5 };

const { values } = parseArgs({
  options: { out: { type: 'string' }, backend: { type: 'string', multiple: true } },
});
const wanted = BACKENDS.filter((backend) => values.backend?.includes(backend) ?? true);

// The gradients of tfjs's tape are modules that import each other without file extensions
registerHooks({
  resolve(specifier, context, next) {
    const bare = /^\.\.?\/.*(?<!\.js)$/.test(specifier) && context.parentURL?.includes('/tfjs-core/dist/');
    return next(bare ? `${specifier}.js` : specifier, context);
  },
});
await import('@chorale/compute/testing/tapeGradients');

const results: ({ backend: Backend } & Measured)[] = [];
const keep = (backend: Backend, measured: Measured) => {
  results.push({ backend, ...measured });
  process.stderr.write(`${backend}, ${measured.shape.name}: ${JSON.stringify(measured.milliseconds)}\n`);
};

let pytorch: string | null = null;
for (const backend of wanted.filter((name) => name === 'wasm' || name === 'cpu')) {
  for (const shape of SHAPES[backend]) {
    const rival = backend === 'wasm' ? await startPytorch(shape) : null;
    if (rival) pytorch = rival.version;
    keep(backend, await measure(backend, shape, rival ? { pytorch: rival.step } : {}));
    rival?.stop();
  }
}
const gpuTasks = wanted
  .filter((name) => name === 'webgpu' || name === 'webgl')
  .flatMap((backend) => SHAPES[backend].map((shape) => ({ backend, shape })));
const chromium = gpuTasks.length > 0 ? await measureInChromium(gpuTasks, keep) : null;

const report = {
  bench: 'train-step',
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, chromium },
  tfjs: tfjsVersion(),
  pytorch: pytorch ?? 'not measured: no python3 with torch on this machine (apt-get install python3-torch)',
  aims: AIMS,
  results,
};
process.stdout.write(`${JSON.stringify(report)}\n`);
if (values.out) {
  mkdirSync(dirname(values.out), { recursive: true });
  writeFileSync(values.out, `${JSON.stringify(report, null, 2)}\n`);
}

function tfjsVersion(): string {
  const manifest = new URL(
    '../../packages/compute/node_modules/@tensorflow/tfjs-core/package.json',
    import.meta.url,
  );
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
