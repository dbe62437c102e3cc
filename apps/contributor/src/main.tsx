import { createRoot } from 'react-dom/client';
import '@chorale/ui/styles.css';
import './app.css';
import { BACKENDS } from '@chorale/protocol';
import type { ContributorController } from '@chorale/client';
import { App } from './App.tsx';
import { forgetInvite, onInvitePasted, takeInvite } from './invite.ts';

const query = new URLSearchParams(location.search);
const askedBackend = query.get('backend');
const forcedBackend = BACKENDS.find((backend) => backend === askedBackend) ?? null;

async function createController(): Promise<ContributorController> {
  if (import.meta.env.DEV && query.get('fake') === '1') {
    const { createFakeController } = await import('./dev/fakeController.ts');
    return createFakeController(query.get('variant'));
  }
  const { createContributor } = await import('@chorale/client');
  return createContributor({
    serverUrl: location.origin,
    runId: query.get('run'),
    forcedBackend,
    invite: takeInvite(globalThis),
    onJoined: () => forgetInvite(globalThis),
  });
}

const root = document.getElementById('root');
if (root === null) throw new Error('expected an element with id "root" in index.html');
const controller = await createController();
addEventListener('hashchange', () =>
  onInvitePasted(globalThis, {
    takesPart: () => !['not-joined', 'stopped'].includes(controller.getState().participation.status),
    reload: () => location.reload(),
  }),
);
createRoot(root).render(
  <App controller={controller} unknownBackend={forcedBackend === null ? askedBackend : null} />,
);
