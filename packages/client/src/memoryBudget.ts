import type { BackendName } from '@chorale/protocol';

/** Phones end a tab at about 1.5 GB (compute.md, section 2), and a computer's person has other tabs. */
const MOST_BYTES = 1e9;

/** Of a device's memory, one tab takes no more. */
const MEMORY_SHARE = 1 / 4;

/** However large the model is, a step gets so much of the tab's memory: whether it is there, the device then says. */
const LEAST_STEP_SHARE = 1 / 8;

/**
 * What a training step may take besides the model's weights, in bytes. An estimate from the device and the model alone;
 * whether so much is there, a dry run shows before any round (`tryOut`).
 * @param deviceMemoryGiB what the browser tells of it (`navigator.deviceMemory`); null when it tells nothing
 * @param frozenCopies    how often the device keeps a frozen matrix
 * @param modelBytes      the model's files, in which a weight takes two bytes
 */
export function stepMemoryBytes({
  deviceMemoryGiB,
  backend,
  frozenCopies,
  modelBytes,
}: {
  deviceMemoryGiB: number | null;
  backend: BackendName;
  frozenCopies: 1 | 2;
  modelBytes: number;
}): number {
  const tabBytes = Math.min(
    MOST_BYTES,
    deviceMemoryGiB === null ? Infinity : MEMORY_SHARE * deviceMemoryGiB * 2 ** 30,
  );
  // On the device four bytes a weight and copy. The files themselves stay for a rebuild
  const left = Math.max(LEAST_STEP_SHARE * tabBytes, tabBytes - (1 + 2 * frozenCopies) * modelBytes);
  // tfjs keeps buffers of every shape it ever used; padded lengths double, so that all take twice what the longest takes
  return backend === 'webgpu' || backend === 'webgl' ? left / 2 : left;
}

/** In GiB, rounded by the browser against fingerprinting; null where it does not tell. */
export function deviceMemoryGiB(): number | null {
  const { deviceMemory } = (globalThis.navigator ?? {}) as { deviceMemory?: number };
  return deviceMemory !== undefined && deviceMemory > 0 ? deviceMemory : null;
}
