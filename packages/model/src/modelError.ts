import { shortened } from './shortened.ts';

/** No message is longer, whatever a file holds: messages go into logs and onto pages. */
const LONGEST_MESSAGE = 1000;

/**
 * A checkpoint or tokenizer that cannot be used. `code` is one of the table in packages/protocol, which this package
 * does not import.
 */
export class ModelError extends Error {
  readonly code = 'MODEL_INVALID';

  constructor(message: string, options?: { cause?: unknown }) {
    super(shortened(message, LONGEST_MESSAGE), options);
    this.name = 'ModelError';
  }
}
