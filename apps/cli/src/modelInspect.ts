import { MODEL_USAGE } from './modelUsage.ts';
import { findModel, takeDirectory } from './modelDirectory.ts';
import type { ModelReport } from './modelReport.ts';
import { reportModel } from './modelReport.ts';
import { parseOptions } from './options.ts';

export async function inspectModel(args: string[]): Promise<number> {
  const [directory, rest] = takeDirectory(args, MODEL_USAGE);
  const values = parseOptions(rest, { json: { type: 'boolean', default: false } });
  const report = reportModel(findModel(directory));
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : describeModel(report));
  return report.problems.length === 0 ? 0 : 1;
}

/** The report in words. */
export function describeModel(report: ModelReport): string {
  const { encoder, tokenizer, memory } = report;
  const lines: [what: string, value: string][] = [['model', report.name]];
  const add = (what: string, value: string | number) => lines.push([what, String(value)]);
  if (encoder) {
    add('architecture', encoder.architecture);
    add('layers', encoder.layerCount);
    add(
      'hidden size',
      `${encoder.hiddenSize} (${encoder.headCount} heads, ${encoder.intermediateSize} between)`,
    );
    add('vocabulary', `${encoder.vocabSize} embeddings`);
    add('positions', encoder.maxPositions);
    add('token types', encoder.tokenTypes || 'none');
    add('activation', encoder.activation);
  }
  if (report.parameters !== null) add('parameters', report.parameters.toLocaleString('en'));
  if (report.formats) {
    add(
      'weights',
      Object.entries(report.formats)
        .map(([format, count]) => `${count} tensors in ${format}`)
        .join(', '),
    );
  }
  if (report.pooler !== null) add('pooler', report.pooler ? 'yes' : 'none');
  if (report.classes !== null) add('classifier', report.classes === 0 ? 'none' : `${report.classes} classes`);
  if (tokenizer) {
    add('tokenizer', `${tokenizer.kind}, ${tokenizer.tokens} tokens${tokenizer.pairs ? '' : ', no pairs'}`);
  }
  for (const { name, bytes } of report.files) add('file', `${name}, ${megabytes(bytes)}`);
  for (const { target, firstName, inDim, outDim } of report.targets ?? []) {
    add('target', `${target}: ${inDim} to ${outDim} (${firstName})`);
  }
  if (memory) {
    add(
      'on the device',
      `${megabytes(memory.weightBytes)} of weights; without SIMD wasm and cpu keep the matrices twice`,
    );
    add('in memory', `${megabytes(memory.tableBytes)} of embeddings`);
    add(
      'training step',
      `at most ${megabytes(memory.stepBytes)} more (${memory.step.examples} examples of ${memory.step.maxTokens} tokens, rank ${memory.step.rank} on query and value)`,
    );
  }
  if (report.wireBytes !== null) add('download', `${megabytes(report.wireBytes)} for each tab`);
  const width = Math.max(...lines.map(([what]) => what.length));
  const table = lines.map(([what, value]) => `${what.padEnd(width)}  ${value}\n`).join('');
  const verdict =
    report.problems.length === 0
      ? 'It can be used.\n'
      : `It cannot be used as it is:\n${report.problems.map((problem) => `  - ${problem}\n`).join('')}`;
  return `${table}${verdict}`;
}

function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${bytes} bytes` : `${(bytes / 1e6).toFixed(1)} MB`;
}
