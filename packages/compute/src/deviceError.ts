/**
 * Why a device failed, which says what may help: `memory`: a step of smaller shapes; `lost`: opening it again; `fault`:
 * it reported an error or computed wrongly, and opening it again may help.
 */
export type DeviceFailure = 'memory' | 'lost' | 'fault';

/**
 * A device failed or cannot be used. Nothing computed in the failed step may leave the tab.
 * `code` is one of the table in packages/protocol, which this package does not import.
 */
export class DeviceError extends Error {
  readonly code: 'DEVICE_ERROR' | 'DEVICE_UNSUPPORTED';
  readonly failure: DeviceFailure;

  constructor(
    code: 'DEVICE_ERROR' | 'DEVICE_UNSUPPORTED',
    message: string,
    { failure = 'fault', ...options }: { failure?: DeviceFailure; cause?: unknown } = {},
  ) {
    super(message, options);
    this.name = 'DeviceError';
    this.code = code;
    this.failure = failure;
  }
}

/** A tensor larger than the device can bind or hold: asked to compute it, tfjs would give zeros without a word. */
export function tensorTooLarge(bytes: number, mostBytes: number): DeviceError {
  return new DeviceError(
    'DEVICE_ERROR',
    `This device holds tensors of at most ${mostBytes} bytes, and one of ${bytes} bytes was asked for. Use smaller micro-batches, a smaller model or another device.`,
    { failure: 'memory' },
  );
}
