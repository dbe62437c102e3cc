import type { DownloadProgress } from './hubModel.ts';

/** What of a terminal or a pipe is used. */
export type Screen = { isTTY?: boolean | undefined; write(text: string): unknown };

const TERMINAL_STEP_MS = 100;

/** Shows a download to the operator: one line that changes on a terminal, else a line for each tenth. */
export function showDownload(screen: Screen, now: () => number = Date.now): DownloadProgress {
  let shownAtMs = -Infinity;
  let shownTenths = -1;
  return ({ downloadedBytes, totalBytes }) => {
    const share = totalBytes === 0 ? 1 : downloadedBytes / totalBytes;
    const line = `Downloading the model: ${mb(downloadedBytes)} of ${mb(totalBytes)} MB (${Math.floor(100 * share)} %)`;
    if (screen.isTTY === true) {
      const atMs = now();
      if (share < 1 && atMs - shownAtMs < TERMINAL_STEP_MS) return;
      shownAtMs = atMs;
      screen.write(`\r\u001B[K${line}${share < 1 ? '' : '\n'}`);
      return;
    }
    const tenths = Math.floor(10 * share);
    if (tenths <= shownTenths) return;
    shownTenths = tenths;
    screen.write(`${line}\n`);
  };
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0);
}
