import { ModelError } from '@chorale/model';
import type { AdapterConfig } from '../adapterLayout.ts';
import { STRATEGIES } from '../strategies/strategies.ts';

const FILE = 'adapter_config.json';

/** What our exports say in the field `chorale`. */
export type ChoraleFields = Pick<AdapterConfig, 'strategy' | 'basis' | 'seed' | 'head'> & {
  pooling: 'mean' | 'cls';
  textPair: boolean;
  /** In the order of the class indices. */
  labels: string[];
};

/** What an adapter's config says; the rest of it has no bearing on what the adapter computes. */
export type PeftConfig = {
  baseModel: string | null;
  /** The commit, branch or tag of the base model's repository. */
  revision: string | null;
  rank: number;
  alpha: number;
  /** Ends of module names; null when the config has a pattern instead of a list. */
  targetModules: string[] | null;
  /** Of adapters exported here. */
  chorale: ChoraleFields | null;
};

/** Fields that make an adapter compute something else than scaling · B A x beside the frozen weight, when they are set. */
const OTHER_ARITHMETIC = [
  'use_rslora',
  'use_dora',
  'use_qalora',
  'rank_pattern',
  'alpha_pattern',
  'fan_in_fan_out',
  'layer_replication',
  'lora_bias',
  'target_parameters',
  'trainable_token_indices',
  'alora_invocation_tokens',
  'arrow_config',
  'loftq_config',
  'corda_config',
  'megatron_config',
] as const;

/** Starts of A and B that leave the frozen weights as they are; others, like PiSSA's, come with changed ones. */
const HARMLESS_STARTS: readonly unknown[] = [undefined, null, true, false, 'gaussian', 'eva', 'orthogonal'];

const SAVED_MODULES = ['classifier', 'pre_classifier', 'pooler', 'score'];

/**
 * Reads `adapter_config.json`.
 * @throws {ModelError} another method than plain LoRA for sequence classification, by name; a rank or alpha that makes no
 *   sense
 */
export function readPeftConfig(bytes: Uint8Array): PeftConfig {
  const json = fieldsOf(parseJson(bytes), 'the file');
  const refuse = (key: string, expected: string) =>
    new ModelError(`${FILE}: ${key} is ${JSON.stringify(json[key]) ?? 'missing'}, expected ${expected}`);
  if (json.peft_type !== 'LORA') throw refuse('peft_type', '"LORA"');
  if (![undefined, null, 'SEQ_CLS'].includes(json.task_type as string | null | undefined)) {
    throw refuse('task_type', '"SEQ_CLS"');
  }
  for (const key of OTHER_ARITHMETIC) {
    if (isSet(json[key])) throw refuse(key, 'none; only plain LoRA is computed here');
  }
  if (![undefined, 'none'].includes(json.bias as string | undefined)) throw refuse('bias', '"none"');
  if (!HARMLESS_STARTS.includes(json.init_lora_weights)) {
    throw refuse('init_lora_weights', 'a start that leaves the base weights as they are');
  }
  const saved = json.modules_to_save ?? [];
  if (!isListOfText(saved) || !saved.every((name) => SAVED_MODULES.includes(name))) {
    throw refuse('modules_to_save', 'the classifier and nothing else of the model');
  }
  const {
    r: rank,
    lora_alpha: alpha,
    target_modules: targets,
    base_model_name_or_path: base,
    revision,
  } = json;
  if (typeof rank !== 'number' || !Number.isSafeInteger(rank) || rank < 1) {
    throw refuse('r', 'a whole number from 1');
  }
  if (typeof alpha !== 'number' || !(alpha > 0 && alpha <= Number.MAX_VALUE)) {
    throw refuse('lora_alpha', 'a positive number');
  }
  if (typeof targets !== 'string' && !isListOfText(targets)) throw refuse('target_modules', 'module names');
  return {
    baseModel: typeof base === 'string' ? base : null,
    revision: typeof revision === 'string' ? revision : null,
    rank,
    alpha,
    targetModules: typeof targets === 'string' ? null : targets,
    chorale: json.chorale === undefined ? null : readChoraleFields(json.chorale),
  };
}

function readChoraleFields(value: unknown): ChoraleFields {
  const json = fieldsOf(value, 'chorale');
  const oneOf = <T extends string>(key: string, allowed: readonly T[]): T => {
    const found = allowed.find((name) => name === json[key]);
    if (found !== undefined) return found;
    const got = JSON.stringify(json[key]) ?? 'missing';
    throw new ModelError(`${FILE}: chorale.${key} is ${got}, expected ${allowed.join(' or ')}`);
  };
  const { seed, textPair, labels } = json;
  if (typeof seed !== 'number' || !Number.isSafeInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new ModelError(`${FILE}: chorale.seed is ${JSON.stringify(seed)}, expected a 32-bit whole number`);
  }
  if (typeof textPair !== 'boolean') {
    throw new ModelError(`${FILE}: chorale.textPair is ${JSON.stringify(textPair)}, expected true or false`);
  }
  if (!isListOfText(labels) || labels.length < 2) {
    throw new ModelError(`${FILE}: chorale.labels must be a list of at least two names`);
  }
  return {
    strategy: oneOf('strategy', Object.keys(STRATEGIES) as (keyof typeof STRATEGIES)[]),
    basis: oneOf('basis', ['orthonormal', 'kaiming', 'svd']),
    seed,
    head: oneOf('head', ['frozen', 'trained']),
    pooling: oneOf('pooling', ['mean', 'cls']),
    textPair,
    labels,
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ModelError(`${FILE}: not valid JSON`, { cause });
  }
}

function fieldsOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new ModelError(`${FILE}: expected ${what} to be an object`);
}

/** Neither left out nor empty nor switched off. */
function isSet(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

function isListOfText(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
