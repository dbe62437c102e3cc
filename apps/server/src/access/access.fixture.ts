import { openMemoryStore } from '@chorale/store';
import type { Store } from '@chorale/store';
import { noObserver } from '../observer.ts';
import { recordedLog } from '../testing/recordedLog.ts';
import type { Access, AccessOptions } from './access.ts';
import { openAccess } from './access.ts';
import { DEFAULT_LIMITS } from './limits.ts';

/** The real access over a memory store. */
export function testAccess(options: Partial<AccessOptions> = {}): { access: Access; store: Store } {
  const store = options.store ?? openMemoryStore();
  const access = openAccess({
    adminToken: 'the-token',
    adminTokenIsSet: true,
    limits: DEFAULT_LIMITS,
    publicOrigins: [],
    trustProxy: false,
    log: recordedLog().log,
    observer: noObserver,
    ...options,
    store,
  });
  return { access, store };
}
