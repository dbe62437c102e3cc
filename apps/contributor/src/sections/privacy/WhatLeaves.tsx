import { largestUpdateBytes, largestUpdateCount } from '@chorale/protocol';
import type { BackendName, RunPlan } from '@chorale/protocol';
import { Shape } from '@chorale/ui';
import { messages } from '../../messages.ts';

const text = messages.privacy;

/** The two lists side by side: what stays on this device, what leaves it. */
export function WhatLeaves({ plan, backend }: { plan: RunPlan; backend: BackendName }) {
  const { privacy, rounds, localMetrics } = plan.config;
  const isPrivate = privacy.unit !== 'none';
  const stays = [...text.staysList(localMetrics !== undefined), ...(isPrivate ? [text.staysPrivate] : [])];
  const leaves = [
    text.leavesNumbers(largestUpdateCount(plan), largestUpdateBytes(plan), rounds.count),
    ...(isPrivate ? [] : [text.noneLeaves]),
    // Noise of each of the two counts, whose L2 sensitivity together is sqrt(2).
    ...(localMetrics === undefined ? [] : [text.leavesCounts(localMetrics.noiseMultiplier * Math.SQRT2)]),
    ...text.leavesList(messages.device.shortNames[backend]),
  ];
  return (
    <div className="sides">
      <div className="side side-stays">
        <h3>
          <Shape name="dot" />
          {text.stays}
        </h3>
        <Lines lines={stays} />
      </div>
      <div className="side side-leaves">
        <h3>
          <Shape name="arrow" />
          {text.leaves}
        </h3>
        <Lines lines={leaves} />
      </div>
    </div>
  );
}

function Lines({ lines }: { lines: readonly string[] }) {
  return (
    <ul>
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}
