import { openCompute } from '@chorale/compute';
import { adapterLayout, configOfPeft, initialHead, parametersFromPeft, readPeft } from '@chorale/lora';
import { readCheckpoint } from '@chorale/model';
import type { RunConfig } from '@chorale/protocol';
import { sha256Hex } from '@chorale/protocol';
import { expectClose } from '@chorale/testing/tolerance';
import { describe, expect, test } from 'vitest';
import { EXPORT_CASES, exportedCase, logitsOf } from './testing/exportCases.ts';

/**
 * SHA-256 of each case's adapter_model.safetensors, and the scores that come out when that file is applied to the base
 * model as PEFT does it (W + alpha/r · B A for every module that `target_modules` names, `modules_to_save` put in place): by
 * a program of its own, PyTorch 1.13 in float64, written from the transformers library's model definitions.
 */
const PYTORCH = [
  {
    sha256: 'ca3e5bcaf3514f3ac2436f25e4ea05b20e5e8b336a02398fb3f90f7b05d3e184',
    logits: [1.653548, -0.375593, 1.760398, -0.319652],
  },
  {
    sha256: '5cf35104d6542065a2be97c133c8aacd8e08556236756ca7e59c3bde6d42883d',
    logits: [-0.49699, 0.388349, -0.522426, 0.246757],
  },
  {
    sha256: '83d7ab6f361b1fef3448b79b597122346ee2acd96d122c72debffb730aec5115',
    logits: [0.128733, -0.190726, -0.318421, -0.719621],
  },
  {
    sha256: 'd0f69eab9db12afc662dcb2dd2fd774418c05a8f1821e8b9463bdb6b0eb5622b',
    logits: [-0.673271, 1.253596, -0.302516, 0.235526],
  },
];

describe.each(EXPORT_CASES.map((one, i) => ({ ...one, ...PYTORCH[i]! })))(
  '$architecture, $pooling pooling, $adapter.strategy on $adapter.targetModules',
  (one) => {
    test('the exported files mean to PyTorch what the adapter means to us', async () => {
      const { base, config, parameters, files } = await exportedCase(one);
      expect(await sha256Hex(files.get('adapter_model.safetensors')!)).toBe(one.sha256);
      const compute = await openCompute('cpu');
      expectClose(await logitsOf(compute, base, config, parameters), one.logits, 2e-6);
    });

    test('read back they give the same scores, as they are and as a lora adapter', async () => {
      const { base, config, parameters, files } = await exportedCase(one);
      const compute = await openCompute('wasm');
      const scores = await logitsOf(compute, base, config, parameters);
      const peft = readPeft(files);
      const checkpoint = readCheckpoint(base);
      const imported: RunConfig = {
        ...config,
        adapter: {
          ...config.adapter,
          ...configOfPeft(checkpoint.config, peft),
          targetModules: [...configOfPeft(checkpoint.config, peft).targetModules],
        },
      };
      const layout = adapterLayout(checkpoint.config, imported.adapter, 2);
      const head = initialHead(layout, imported.adapter, {
        classifier: checkpoint.classifier,
        labels: imported.task.labels,
      });
      const flat = parametersFromPeft(checkpoint.config, layout, { basis: [], initialHead: head }, peft);
      expect(await logitsOf(compute, base, imported, flat)).toEqual(scores);
    });
  },
);
