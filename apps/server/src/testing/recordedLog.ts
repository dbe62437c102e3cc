import type { Log, LogSettings } from '../log.ts';
import { openLog } from '../log.ts';

/** One line as the operator gets it: its level's name, its text, and the fields it was given. */
export type RecordedLine = { level: string; msg: string; time: string; [field: string]: unknown };

/** The real log, kept in memory: what a test finds in it is what would stand on the operator's screen. */
export function recordedLog(settings: Partial<LogSettings> = {}): { log: Log; lines: RecordedLine[] } {
  const lines: RecordedLine[] = [];
  const destination = { write: (text: string) => void lines.push(JSON.parse(text) as RecordedLine) };
  return { log: openLog({ level: 'debug', format: 'json', destination, ...settings }), lines };
}

/** What was logged as a warning or worse. */
export function problemsOf(lines: readonly RecordedLine[]): string[] {
  return lines.filter(({ level }) => level === 'warn' || level === 'error').map(({ msg }) => msg);
}
