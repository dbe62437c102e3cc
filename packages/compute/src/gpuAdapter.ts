import { DeviceError } from './deviceError.ts';

/** Names of renderers that compute on the processor. */
const SOFTWARE_RENDERER = /swiftshader|llvmpipe|lavapipe|software|basic render|softpipe/i;

/** Whether a renderer of this name is one in software: wasm is many times faster. */
export function isSoftwareRenderer(name: string): boolean {
  return SOFTWARE_RENDERER.test(name);
}

/** Chips that compute wrongly with WebGPU, by the vendor that their adapter names. */
const KNOWN_BAD_VENDORS: Record<string, string> = {
  // PowerVR: gradients are always zero (compute.md, section 2)
  'img-tec': 'this graphics chip (PowerVR) is known to compute wrong gradients',
};

export type GpuAdapterFacts = {
  /** As its maker names it, for people. */
  name: string;
  /** A renderer in software. */
  software: boolean;
  /** Why no training is tried on it; null when nothing is known against it. */
  knownBad: string | null;
};

/** What an adapter says of itself. Browsers leave out fields as they like. */
export function gpuAdapterFacts(info: Partial<GPUAdapterInfo>): GpuAdapterFacts {
  const { vendor = '', architecture = '', device = '', description = '' } = info;
  const name = description || [vendor, architecture || device].filter(Boolean).join(' ') || 'unnamed adapter';
  return {
    name,
    software: info.isFallbackAdapter === true || isSoftwareRenderer(`${name} ${architecture} ${device}`),
    knownBad: KNOWN_BAD_VENDORS[vendor.toLowerCase()] ?? null,
  };
}

/** The name of a WebGL renderer, for people. */
export function webGlRenderer(gl: WebGL2RenderingContext): string {
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  return String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
}

/** @returns the adapter a page gets, or why there is none */
export async function requestGpuAdapter(): Promise<GPUAdapter | string> {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (!gpu) return 'this browser has no WebGPU, or the page is not served over a secure connection';
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  return adapter ?? 'no graphics adapter for WebGPU';
}

/**
 * Whatever a kernel may need more of than the standard guarantees. tfjs itself leaves maxStorageBuffersPerShaderStage at
 * 8, and an operation with more inputs then gives stale bytes (compute.md, section 2.1).
 */
const RAISED_LIMITS = [
  'maxStorageBuffersPerShaderStage',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeInvocationsPerWorkgroup',
] as const satisfies (keyof GPUSupportedLimits)[];

/**
 * A device with all that its adapter offers.
 * @throws {DeviceError} DEVICE_UNSUPPORTED: there is no adapter, it is known to compute wrongly, or gives no device
 */
export async function requestGpuDevice(): Promise<{ device: GPUDevice; info: GPUAdapterInfo }> {
  const adapter = await requestGpuAdapter();
  if (typeof adapter === 'string') throw unsupported(adapter);
  const { info, limits } = adapter;
  const { name, knownBad } = gpuAdapterFacts(info);
  if (knownBad !== null) throw unsupported(`${name}: ${knownBad}`);
  const requiredLimits = Object.fromEntries(RAISED_LIMITS.map((limit) => [limit, limits[limit]]));
  try {
    return { device: await adapter.requestDevice({ requiredLimits }), info };
  } catch (cause) {
    throw unsupported(`${name} gives no device`, cause);
  }
}

function unsupported(why: string, cause?: unknown): DeviceError {
  return new DeviceError(
    'DEVICE_UNSUPPORTED',
    `The webgpu backend did not start on this device: ${why}. Choose another one.`,
    { cause },
  );
}
