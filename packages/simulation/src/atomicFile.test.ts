import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { removeAbandoned, writeAtomically } from './atomicFile.ts';

test('what a killed writer left is removed; what is whole, is being written or is not ours stays', () => {
  const place = mkdtempSync(join(tmpdir(), 'chorale-atomic-'));
  try {
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const abandoned = [`simulation.json.${dead}.tmp`, `seed-1/adapter/adapter_model.safetensors.${dead}.tmp`];
    // A start after a restart of the machine can have the number of the one that was killed
    abandoned.push(`seed-12/state.json.${process.pid}.tmp`);
    const kept = [
      `seed-1/state.json.${process.ppid}.tmp`,
      'seed-1/state.json',
      'notes.tmp',
      `other/letter.${dead}.tmp`,
    ];
    for (const path of [...abandoned, ...kept]) {
      mkdirSync(dirname(join(place, path)), { recursive: true });
      writeFileSync(join(place, path), 'x');
    }
    removeAbandoned(place);
    const files = readdirSync(place, { recursive: true, withFileTypes: true, encoding: 'utf8' })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
    expect(files.sort()).toEqual(kept.map((path) => join(place, path)).sort());
    writeAtomically(join(place, 'seed-2', 'state.json'), 'y');
    expect(readdirSync(join(place, 'seed-2'))).toEqual(['state.json']);
    removeAbandoned(join(place, 'nowhere'));
  } finally {
    rmSync(place, { recursive: true });
  }
});
