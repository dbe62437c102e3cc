import type { Page } from '@playwright/test';

/** How a page's own thread fared over a stretch of time, in milliseconds. */
export type Liveliness = {
  stretch: number;
  /** Longest time without a frame of animation. */
  longestFrameGap: number;
  /** Longest time in which a message to itself was not answered. */
  longestMessageGap: number;
};

/** Watches a page's own thread while its status is the given one; begins with the next time that it is. */
export async function livelinessWhile(page: Page, status: string): Promise<Liveliness> {
  return await page.evaluate(
    (wanted) =>
      new Promise<Liveliness>((resolve) => {
        const now = () => document.querySelector('[data-status]')!.getAttribute('data-status');
        let begun: number | null = null;
        let lastFrame = 0;
        let lastMessage = 0;
        let longestFrameGap = 0;
        let longestMessageGap = 0;
        const channel = new MessageChannel();
        const look = (time: number) => {
          if (begun === null) {
            if (now() !== wanted) return;
            begun = lastFrame = lastMessage = time;
          } else if (now() !== wanted) {
            channel.port1.close();
            resolve({ stretch: time - begun, longestFrameGap, longestMessageGap });
          }
        };
        const frame = () => {
          const time = performance.now();
          look(time);
          longestFrameGap = Math.max(longestFrameGap, begun === null ? 0 : time - lastFrame);
          lastFrame = time;
          requestAnimationFrame(frame);
        };
        channel.port2.addEventListener('message', () => {
          const time = performance.now();
          look(time);
          longestMessageGap = Math.max(longestMessageGap, begun === null ? 0 : time - lastMessage);
          lastMessage = time;
          // Not at once, or it would keep the thread busy itself
          setTimeout(() => channel.port1.postMessage(null), 5);
        });
        channel.port2.start();
        requestAnimationFrame(frame);
        channel.port1.postMessage(null);
      }),
    status,
  );
}
