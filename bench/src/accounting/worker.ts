import * as privacy from '@chorale/privacy';
import { timeAccounting } from './timings.ts';

// Runs in a tab's worker; the page sends how many evaluations to time.
self.addEventListener('message', ({ data }: MessageEvent<number>) => {
  self.postMessage(timeAccounting(privacy, data));
});
