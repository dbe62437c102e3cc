import { createHash } from 'node:crypto';
import type { Page } from '@playwright/test';

/** An update that the server has said it has. */
export type Acknowledged = { contributorId: string; round: number; sha256: string };

type Answer = { ok: boolean; value?: unknown };

/**
 * Reads along what a tab and its server say to each other, without touching it: which updates the server acknowledged, to
 * whom. What the page makes of it plays no part.
 */
export class AcknowledgedUpdates {
  readonly all: Acknowledged[] = [];

  /** To be called before the page is opened; again for each page. */
  watch(page: Page): void {
    page.on('websocket', (socket) => {
      if (!socket.url().includes('/socket.io/')) return;
      let contributorId = '';
      /** Number of the question → what it was about. */
      const offers = new Map<string, { round: number; sha256: string }>();
      const updates = new Map<string, { round: number; sha256: string }>();
      const joins = new Set<string>();
      let announced: { id: string; round: number } | null = null;
      socket.on('framesent', ({ payload }) => {
        if (typeof payload !== 'string') {
          if (announced === null) return;
          updates.set(announced.id, { round: announced.round, sha256: sha256Of(payload) });
          announced = null;
          return;
        }
        // 42: an event, 451-: one with a binary attachment behind it (docs/protocol.md)
        const [, id, json] = /^4(?:2|51-)\/contribute,(\d+)(\[.*\])$/.exec(payload) ?? [];
        if (id === undefined) return;
        const [event, message] = JSON.parse(json!) as [string, { round: number; sha256: string }];
        if (event === 'join') joins.add(id);
        if (event === 'offer') offers.set(id, message);
        if (event === 'update') announced = { id, round: message.round };
      });
      socket.on('framereceived', ({ payload }) => {
        if (typeof payload !== 'string') return;
        const [, id, json] = /^43\/contribute,(\d+)(\[.*\])$/.exec(payload) ?? [];
        if (id === undefined) return;
        const [{ ok, value }] = JSON.parse(json!) as [Answer];
        if (!ok) return;
        if (joins.has(id)) ({ contributorId } = value as { contributorId: string });
        const stored = updates.get(id) ?? (value === 'stored' ? offers.get(id) : undefined);
        if (stored !== undefined) this.all.push({ contributorId, ...stored });
      });
    });
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
