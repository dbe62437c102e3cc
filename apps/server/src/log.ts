import { pino, stdSerializers, stdTimeFunctions } from 'pino';
import type { DestinationStream, Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';

/**
 * Structured lines for the operator: `log.warn({ err, runId, round }, 'what happened')`. A child carries the ids that all
 * of its lines have.
 */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'> & {
  child(bindings: Record<string, unknown>): Log;
};

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export const LOG_FORMATS = ['auto', 'json', 'text'] as const;

export type LogSettings = {
  /** Lines below it are not written. */
  level: (typeof LOG_LEVELS)[number];
  /** `json`: one object a line; `text`: for people; `auto`: text on a terminal. */
  format: (typeof LOG_FORMATS)[number];
  /** Texts that never stand in a line, wherever they come from: the tokens of this server. */
  secrets?: readonly string[];
  /** stderr when not given, so that stdout stays for what programs read. */
  destination?: DestinationStream;
};

export const REDACTED = '[redacted]';
/** Fields of these names are not written, at any depth. */
const SECRET_FIELD = /token|cookie|authorization|password|secret|^invite(code)?$/i;
/** What carries a secret inside a longer text: an address, a header. The quotes of JSON end it. */
const SECRET_IN_TEXT = [
  /([?&#](?:token|invite|code)=)[^&#\s"\\]+/gi,
  /(\bBearer\s+)[^\s"\\,;]+/gi,
  /(\bchorale_(?:admin|contributor)=)[^\s"\\,;]+/gi,
] as const;
const DEEPEST = 8;
/** Of lines that cannot be written now, as on a full disk, so many bytes wait until they can; what is over it is lost. */
const WAITING_BYTES = 2 ** 20;

/**
 * Opens the operator's log: one line an event with its time in ISO 8601, the name of its level, and no secrets.
 * Written synchronously, so that the last line before an end is there. A line that cannot be written is lost: no call
 * throws, since what is told has happened.
 */
export function openLog({ level, format, secrets = [], destination }: LogSettings): Log {
  const known = secrets.filter((secret) => secret !== '').flatMap((secret) => formsOf(secret));
  const text = format === 'text' || (format === 'auto' && process.stderr.isTTY);
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => withoutSecrets(fields, 0) as Record<string, unknown>,
      },
      serializers: { err: (error: unknown) => withoutSecrets(plainError(error), 0) },
      hooks: {
        logMethod(args, method) {
          try {
            method.apply(this, args);
          } catch {
            // There is no place left to say it
          }
        },
        streamWrite(line) {
          let safe = line;
          for (const secret of known) safe = safe.replaceAll(secret, REDACTED);
          for (const pattern of SECRET_IN_TEXT) safe = safe.replace(pattern, `$1${REDACTED}`);
          return safe;
        },
      },
    },
    text ? forPeople(destination) : (destination ?? stderrStream()),
  );
  return guarded(logger);
}

/** @param destination stderr when not given */
function forPeople(destination: DestinationStream | undefined): DestinationStream {
  const lineOf = prettyFactory({
    colorize: destination === undefined && process.stderr.isTTY && process.env['NO_COLOR'] === undefined,
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
  });
  const stream = destination ?? stderrStream();
  return { write: (line) => stream.write(lineOf(line)) };
}

function stderrStream(): DestinationStream {
  const stream = pino.destination({ dest: 2, sync: true, maxLength: WAITING_BYTES });
  // Without a listener the stream would throw it at whoever logs, or end the process from a timer
  return stream.on('error', () => undefined);
}

/** pino would write what a child is given as it is. */
function guarded(logger: Logger): Log {
  return {
    debug: logger.debug.bind(logger),
    info: logger.info.bind(logger),
    warn: logger.warn.bind(logger),
    error: logger.error.bind(logger),
    child: (bindings) => guarded(logger.child(withoutSecrets(bindings, 0) as Record<string, unknown>)),
  };
}

/** A secret as it stands in JSON, and in an address. */
function formsOf(secret: string): string[] {
  return [...new Set([JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)])];
}

function plainError(error: unknown): unknown {
  return error instanceof Error ? { ...stdSerializers.err(error) } : error;
}

function withoutSecrets(value: unknown, depth: number): unknown {
  // Errors have a serializer of their own, which comes after this
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (depth >= DEEPEST) return '[too deep]';
  if (Array.isArray(value)) return value.map((one) => withoutSecrets(one, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      SECRET_FIELD.test(name) && inner !== null && inner !== undefined
        ? REDACTED
        : withoutSecrets(inner, depth + 1),
    ]),
  );
}

/** For programs that have no settings of their own, and before a server has read its. */
export const stderrLog: Log = openLog({ level: 'info', format: 'auto' });
