/**
 * A checkpoint or tokenizer that cannot be used. `code` is one of the table in packages/protocol, which this package
 * does not import.
 */
export class ModelError extends Error {
  readonly code = 'MODEL_INVALID';

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ModelError';
  }
}
