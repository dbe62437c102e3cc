/**
 * A device failed or cannot be used. Nothing computed in the failed step may leave the tab.
 * `code` is one of the table in packages/protocol, which this package does not import.
 */
export class DeviceError extends Error {
  readonly code: 'DEVICE_ERROR' | 'DEVICE_UNSUPPORTED';

  constructor(code: 'DEVICE_ERROR' | 'DEVICE_UNSUPPORTED', message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'DeviceError';
    this.code = code;
  }
}
