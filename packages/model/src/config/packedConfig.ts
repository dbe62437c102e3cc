import { genericClassName } from './classNames.ts';
import type { ConfigFields } from './configFields.ts';
import type { EncoderConfig } from './encoderConfig.ts';
import { CONFIG_FIELDS } from './encoderConfig.ts';

/** Of the library's Python classes. */
function isClassName(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z]\w{0,99}$/.test(value);
}

/**
 * The config.json of a packed model: the fields that are read, each checked by then, and none besides. Configs of the wild
 * hold paths of the machine they were saved on (`_name_or_path`) and whatever else somebody wrote there, and what is
 * packed becomes public.
 * @param config read from the same fields
 * @param classifier its class names, which are written generic where they are null; null: the model has none
 * @returns always in the same order, whatever that of the file
 */
export function packedConfig(
  fields: ConfigFields,
  { architecture }: Pick<EncoderConfig, 'architecture'>,
  classifier: { classCount: number; labels: readonly string[] | null } | null,
): Record<string, unknown> {
  const kept = CONFIG_FIELDS[architecture]
    .map((key): [string, unknown] => [key, fields.value(key)])
    .filter(([, value]) => value !== undefined);
  const architectures = fields.value('architectures');
  if (Array.isArray(architectures)) {
    kept.push(['architectures', architectures.filter(isClassName)]);
  }
  if (classifier) {
    const { classCount, labels } = classifier;
    const names = Array.from({ length: classCount }, (_, i) => labels?.[i] ?? genericClassName(i));
    kept.push(['id2label', Object.fromEntries(names.map((name, i) => [i, name]))]);
    kept.push(['label2id', Object.fromEntries(names.map((name, i) => [name, i]))]);
  }
  return Object.fromEntries(kept);
}
