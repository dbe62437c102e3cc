import { DeviceError } from './deviceError.ts';

/** What a backend tells of a step besides its result. Steps come one at a time. */
export type StepWatch = {
  /** Before a step. @throws {DeviceError} DEVICE_ERROR: the device is lost, or failed before; open it again */
  begin(): void;
  /**
   * After a step, whatever came of it.
   * @param thrown what the step threw, or null
   * @returns what went wrong with the device, or null
   */
  end(thrown: unknown): Promise<DeviceError | null>;
  /** Rejects when the step in work will never end by itself; null where every step ends. */
  interrupted: Promise<never> | null;
};

/**
 * What engines throw when there is no memory for an array: V8 the first two (the second where a length is over what it
 * ever gives), Firefox the next two (the last of them as a mere string), Safari the last with a capital letter. "Invalid
 * array length" is not among them: that says an ordinary programming error, and so does a negative length.
 */
const NO_MEMORY =
  /^(Array buffer allocation failed|Invalid (typed array|array buffer) length(: \d+)?|allocation size overflow|out of memory)$/i;

/** The message of what an engine threw for want of memory; null when it was something else. */
function noMemory(thrown: unknown): string | null {
  const byEngine = thrown instanceof Error && ['RangeError', 'InternalError'].includes(thrown.name);
  const message = byEngine ? thrown.message : thrown;
  return typeof message === 'string' && NO_MEMORY.test(message) ? message : null;
}

/** wasm and cpu: they compute in this thread, and fail by throwing. */
export function processorWatch(): StepWatch {
  let broken: DeviceError | null = null;
  return {
    begin() {
      if (broken) throw broken;
    },
    async end(thrown) {
      const full = noMemory(thrown);
      if (full !== null) return deviceError('The memory of this tab is full', full, 'memory', thrown);
      // A trap leaves the WebAssembly memory in whatever state it was in
      if (typeof WebAssembly !== 'object' || !(thrown instanceof WebAssembly.RuntimeError)) return null;
      broken = deviceError('WebAssembly stopped', thrown.message, 'fault', thrown);
      return broken;
    },
    interrupted: null,
  };
}

/**
 * WebGPU: tfjs itself never looks at its errors, and a failed dispatch returns stale bytes of another tensor
 * (compute.md, section 2.3).
 */
export function webGpuWatch(device: GPUDevice): StepWatch {
  const filters = ['validation', 'out-of-memory', 'internal'] as const;
  let broken: DeviceError | null = null;
  void device.lost.then(({ message, reason }) => {
    broken = deviceError('The graphics device was lost', message || reason, 'lost');
  });
  // Outside of steps weights are uploaded, which every later step uses
  device.addEventListener('uncapturederror', ({ error }) => {
    broken ??= reported(error);
  });
  return {
    begin() {
      if (broken) throw broken;
      for (const filter of filters) device.pushErrorScope(filter);
    },
    async end(thrown) {
      // Scopes are a stack and must be popped whatever happened; a lost device answers null to all
      const errors: (GPUError | null)[] = [];
      for (const _ of filters) errors.push(await device.popErrorScope().catch(() => null));
      // A buffer there is no memory for makes whatever uses it invalid too
      const error =
        errors.find((e) => e instanceof GPUOutOfMemoryError) ?? errors.find((e) => e !== null) ?? null;
      // Before the step's own error: what a step throws on a failed device says nothing of the cause
      if (error) return reported(error, thrown);
      if (broken)
        return new DeviceError(broken.code, broken.message, { failure: broken.failure, cause: thrown });
      // Browsers end a readback so when they have lost the device but not said so yet
      if (!(thrown instanceof DOMException)) return null;
      broken = deviceError('The graphics device was lost', thrown.message || thrown.name, 'lost', thrown);
      return broken;
    },
    interrupted: null,
  };
}

/** WebGL: a lost context computes zeros and never ends a readback. */
export function webGlWatch(gl: WebGL2RenderingContext): StepWatch {
  let broken: DeviceError | null = null;
  const { promise, reject } = Promise.withResolvers<never>();
  // It counts only where it is awaited
  promise.catch(() => undefined);
  const lose = () => {
    broken ??= deviceError('The graphics device was lost', 'its WebGL context is gone', 'lost');
    reject(broken);
  };
  gl.canvas.addEventListener('webglcontextlost', lose);
  return {
    begin() {
      if (gl.isContextLost()) lose();
      if (broken) throw broken;
      while (gl.getError() !== gl.NO_ERROR);
    },
    async end(thrown) {
      if (gl.isContextLost()) lose();
      if (broken)
        return new DeviceError(broken.code, broken.message, { failure: broken.failure, cause: thrown });
      const error = gl.getError();
      if (error === gl.NO_ERROR) return null;
      if (error === gl.OUT_OF_MEMORY) {
        return deviceError('The memory of the graphics device is full', 'WebGL error 1285', 'memory', thrown);
      }
      return deviceError('The graphics device reported', `WebGL error ${error}`, 'fault', thrown);
    },
    interrupted: promise,
  };
}

function reported(error: GPUError, cause?: unknown): DeviceError {
  return error instanceof GPUOutOfMemoryError
    ? deviceError('The memory of the graphics device is full', error.message, 'memory', cause)
    : deviceError('The graphics device reported', error.message, 'fault', cause);
}

function deviceError(
  what: string,
  detail: string,
  failure: DeviceError['failure'],
  cause: unknown = null,
): DeviceError {
  return new DeviceError('DEVICE_ERROR', `${what}: ${detail}`, { failure, cause });
}
