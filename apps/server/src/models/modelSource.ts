import { existsSync, readdirSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { RunPlan } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import type { ModelFiles } from '../serverParts.ts';
import type { HubModelOptions } from './hubModel.ts';
import { openHubModel } from './hubModel.ts';
import { hubReference } from './modelReference.ts';
import { readBytes } from './readBytes.ts';

/** The repository's root; embedded models and configs lie under it. */
export const REPOSITORY_ROOT = resolve(import.meta.dirname, '../../../..');

/** A model as its maker published it. */
export type SourceModel = Pick<RunPlan['model'], 'name' | 'source'> & { files: ModelFiles };

/**
 * Reads the model that a config names: one of a hub, an embedded one, or a directory.
 * @param configDirectory directories are looked up relative to it
 * @throws {ChoraleError} CONFIG_INVALID, or as `openHubModel`; {Error} code MODEL_INVALID
 */
export async function openSourceModel(
  model: string,
  configDirectory: string,
  options: HubModelOptions,
): Promise<SourceModel> {
  const reference = hubReference(model);
  if (reference !== null) {
    return { name: reference.repository, ...(await openHubModel(reference, options)) };
  }
  const embedded = /^[a-z0-9][a-z0-9-]*$/.test(model)
    ? resolve(REPOSITORY_ROOT, 'assets/models', model)
    : null;
  const directory = embedded !== null && existsSync(embedded) ? embedded : resolve(configDirectory, model);
  if (!existsSync(directory)) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `expected model "${model}" to be embedded (assets/models), a directory beside the config, or hf:organisation/name of a hub, found none of them`,
    );
  }
  const names = options.neededModelFiles(readdirSync(directory));
  return {
    name: basename(model),
    source: null,
    files: new Map(names.map((name) => [name, readBytes(resolve(directory, name))])),
  };
}
