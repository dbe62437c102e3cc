import { ModelError } from '../modelError.ts';
import { shortened } from '../shortened.ts';
import type { ConfigFields } from './configFields.ts';
import { show } from './configFields.ts';

/** A class's name in a model that was given none, as the transformers library writes it. */
export function genericClassName(index: number): string {
  return `LABEL_${index}`;
}

/**
 * The names config.json gives a classifier's classes, trimmed: `id2label` as the library's own pipelines read it; where
 * that has only generic names, `label2id`.
 * @param classCount of the classifier
 * @returns in the order of the classes; null where there are none but generic ones (`LABEL_0`, …)
 * @throws {ModelError} a field names other classes than 0 to classCount - 1
 */
export function readClassNames(fields: ConfigFields, classCount: number): string[] | null {
  for (const key of ['id2label', 'label2id'] as const) {
    const names = namesOf(fields, key, classCount);
    if (names?.some((name, i) => name.toUpperCase() !== genericClassName(i))) return names;
  }
  return null;
}

function namesOf(fields: ConfigFields, key: 'id2label' | 'label2id', classCount: number): string[] | null {
  const value = fields.value(key);
  if (value === undefined) return null;
  const wrong = () =>
    new ModelError(
      `config.json: ${key} is ${show(value)}, expected a name for each of the classifier's ${classCount} classes`,
    );
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong();
  const entries = Object.entries(value).map(([left, right]: [string, unknown]) =>
    key === 'id2label' ? ([left, right] as const) : ([right, left] as const),
  );
  const names = new Map<number, string>();
  for (const [id, name] of entries) {
    const index = typeof id === 'string' && /^\d+$/.test(id) ? Number(id) : id;
    const isName = typeof name === 'string' || typeof name === 'number';
    if (typeof index !== 'number' || !isName || names.has(index)) throw wrong();
    names.set(index, shortened(String(name).trim(), LONGEST_NAME));
  }
  const inOrder = Array.from({ length: classCount }, (_, i) => names.get(i));
  if (names.size !== classCount || inOrder.includes(undefined)) throw wrong();
  return inOrder as string[];
}

/** The names go into every tab and into errors. */
const LONGEST_NAME = 200;
