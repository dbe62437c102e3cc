import type { ResolvedRun, RoundRecord, RunConfig } from '@chorale/protocol';

/** Said wherever a run without protection is handed on. */
export const NO_PRIVACY =
  'NO PRIVACY PROTECTION: what contributors send is neither clipped nor noised, and the adapter may give single rows away';

const STRATEGY_NAMES: Record<RunConfig['adapter']['strategy'], string> = {
  'ffa-lora': 'FFA-LoRA',
  lora: 'LoRA',
  rolora: 'RoLoRA',
};

/** Where what the classifier reads differs from what transformers' own classes do. */
const POOLING_TEXTS: Record<RunConfig['task']['pooling'], string> = {
  mean: `The classifier reads the mean over the vectors of the real tokens of the last layer. transformers' \`…ForSequenceClassification\`
reads the first token instead, so compute the mean yourself and put the classifier behind it.`,
  cls: `The classifier reads the vector of the first token, through the pooler where the frozen model's files have one. Where they have
none, transformers' \`…ForSequenceClassification\` adds an untrained one: leave it out.`,
};

/**
 * README.md of a downloaded adapter: whoever gets it should know how well the rows behind it are protected.
 * @param record       of the round that made this version
 * @param spentEpsilon of the contributor who is charged most by now, rounded up; null when privacy.unit is none. Late
 *   and refused updates were seen too, also those that came after the round's record was written
 */
export function modelCard(
  { runId, plan, planHash }: ResolvedRun,
  record: RoundRecord,
  spentEpsilon: number | null,
): string {
  const { config } = plan;
  return `---
base_model: ${baseModelOf(plan)}
library_name: peft
---

# ${config.name}

${config.purpose}

${STRATEGY_NAMES[config.adapter.strategy]} adapter (rank ${config.adapter.rank}, alpha ${config.adapter.alpha}) trained with Chorale from the private rows of its contributors,
which never left their devices.

- Labels: ${config.task.labels.join(', ')}
- Frozen model: ${baseModelOf(plan)}${plan.model.source === null ? '' : ` at commit ${plan.model.source.revision}`}
- Run ${runId}, adapter version ${record.adapterVersion} of ${config.rounds.count}, plan hash \`${planHash}\`
- Accuracy on the public test file: ${record.testAccuracy === null ? 'not measured' : `${(100 * record.testAccuracy).toFixed(1)} %`}

## How it reads a text

${POOLING_TEXTS[config.task.pooling]}
The frozen weights were used in 16-bit floating point (F16).

## Privacy

${privacyText(plan, Math.max(record.spentEpsilon ?? 0, spentEpsilon ?? 0))}
`;
}

/** What other tools load the frozen model by: its name on the hub, or what the config says. */
export function baseModelOf({ model, config }: ResolvedRun['plan']): string {
  return model.source?.repository ?? config.model;
}

function privacyText({ config, noiseMultiplier }: ResolvedRun['plan'], epsilon: number): string {
  const { privacy, training } = config;
  if (privacy.unit === 'none') return `**${NO_PRIVACY}.**`;
  const unit =
    privacy.unit === 'example'
      ? 'one row of one contributor (left out or not)'
      : 'all that one contributor put in (any two data sets)';
  return `(epsilon, delta)-differential privacy with epsilon ${epsilon} (rounded up, of the contributor who is charged most, late and refused updates included) and delta
${privacy.targetDelta}, against everybody who sees the updates or the adapter. Unit of protection: ${unit}.
Mechanism: Gaussian noise on each contributor's device, noise multiplier ${noiseMultiplier}, clipping norm ${training.clippingNorm}, sampling
rate ${training.samplingRate}, ${training.localSteps} local steps a round. Several rows about the same thing are protected less well together.`;
}
