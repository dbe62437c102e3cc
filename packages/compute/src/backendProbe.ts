import { DeviceError } from './deviceError.ts';
import { gpuAdapterFacts, isSoftwareRenderer, requestGpuAdapter, webGlRenderer } from './gpuAdapter.ts';

export const BACKEND_ORDER = ['webgpu', 'webgl', 'wasm', 'cpu'] as const;
export type BackendName = (typeof BACKEND_ORDER)[number];

/** One way to compute, and whether this device offers it. */
export type BackendProbe = {
  backend: BackendName;
  /** It could train here. */
  available: boolean;
  /** A renderer in software: chosen only when forced, since wasm is many times faster. */
  software: boolean;
  /** What was found, in words. */
  detail: string;
};

/** Looks at what this page, worker or Node process offers; starts nothing that stays. */
export async function probeBackends(): Promise<BackendProbe[]> {
  return [await probeWebGpu(), probeWebGl(), probeWasm(), probeCpu()];
}

/**
 * Chooses webgpu → webgl → wasm → cpu; a software adapter only when forced.
 * @param forced a backend the person asked for, or null
 * @throws {DeviceError} DEVICE_UNSUPPORTED when the forced one, or every one, is missing
 */
export function chooseBackend(
  probes: BackendProbe[],
  forced: BackendName | null,
): { backend: BackendName; reason: string } {
  if (forced !== null) {
    const probe = probes.find((p) => p.backend === forced);
    if (probe?.available) return { backend: forced, reason: `asked for by ?backend=${forced}` };
    throw new DeviceError(
      'DEVICE_UNSUPPORTED',
      `This device cannot use ${forced}: ${probe?.detail ?? 'unknown backend'}. Open the page without ?backend=${forced}.`,
    );
  }
  const chosen = probes.find((p) => p.available && !p.software);
  if (!chosen) {
    const found = probes.map((p) => `${p.backend}: ${p.detail}`).join('; ');
    throw new DeviceError(
      'DEVICE_UNSUPPORTED',
      `This device offers no backend that can train (${found}). Use a current Chrome, Edge, Firefox or Safari, or another device.`,
    );
  }
  const passedOver = probes.slice(0, probes.indexOf(chosen)).map((p) => `${p.backend}: ${p.detail}`);
  const reason =
    passedOver.length === 0 ? 'the fastest this device offers' : `not used: ${passedOver.join('; ')}`;
  return { backend: chosen.backend, reason };
}

async function probeWebGpu(): Promise<BackendProbe> {
  const missing = (detail: string): BackendProbe => ({
    backend: 'webgpu',
    available: false,
    software: false,
    detail,
  });
  const adapter = await requestGpuAdapter();
  if (typeof adapter === 'string') return missing(adapter);
  const { name, software, knownBad } = gpuAdapterFacts(adapter.info);
  if (knownBad !== null) return missing(`${name}: ${knownBad}`);
  return { backend: 'webgpu', available: true, software, detail: software ? `${name} (in software)` : name };
}

function probeWebGl(): BackendProbe {
  const missing = (detail: string): BackendProbe => ({
    backend: 'webgl',
    available: false,
    software: false,
    detail,
  });
  if (typeof OffscreenCanvas === 'undefined') return missing('no canvas for WebGL in a worker');
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
  if (!gl) return missing('no WebGL 2');
  try {
    // Without 32-bit render targets tfjs computes in 16 bits, which is no training (compute.md, section 5)
    if (!gl.getExtension('EXT_color_buffer_float')) return missing('WebGL without 32-bit floats');
    const name = webGlRenderer(gl);
    const software = isSoftwareRenderer(name);
    return { backend: 'webgl', available: true, software, detail: software ? `${name} (in software)` : name };
  } finally {
    gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
}

function probeWasm(): BackendProbe {
  // A module of two SIMD instructions: (func (result v128) i32.const 0 i8x16.splat i8x16.popcnt)
  const simdModule = new Uint8Array([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98,
    11,
  ]);
  const available = typeof WebAssembly === 'object';
  const simd = available && WebAssembly.validate(simdModule);
  return {
    backend: 'wasm',
    available,
    software: false,
    detail: available ? `WebAssembly ${simd ? 'with' : 'without'} SIMD, on the processor` : 'no WebAssembly',
  };
}

function probeCpu(): BackendProbe {
  return { backend: 'cpu', available: true, software: false, detail: 'plain JavaScript, very slow' };
}
