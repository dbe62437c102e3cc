import { readFileSync } from 'node:fs';
import { ChoraleError } from '@chorale/protocol';

/** What a process has used so far. */
export type ProcessUsage = { cpuSeconds: number; peakRssBytes: number };

/** Linux counts a process's time in these, whatever the machine. */
const TICKS_PER_SECOND = 100;

/**
 * Reads a process's processor time and the most memory it has had, from Linux's /proc.
 * @throws {ChoraleError} CONFIG_INVALID: no such process, or another operating system
 */
export function usageOf(pid: number): ProcessUsage {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold spaces; user and system time are the 14th and 15th field
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const peakKilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
      peakRssBytes: Number(peakKilobytes) * 1024,
    };
  } catch (cause) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `--server-pid: expected a process of this machine with /proc, there is no ${pid}`,
      { cause },
    );
  }
}
