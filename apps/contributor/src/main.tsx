import { createRoot } from 'react-dom/client';
import '@chorale/ui/styles.css';
import './app.css';
import { BACKENDS } from '@chorale/protocol';
import type { BackendName } from '@chorale/protocol';
import type { ContributorController } from '@chorale/client';
import { App } from './App.tsx';

const query = new URLSearchParams(location.search);

async function createController(): Promise<ContributorController> {
  if (import.meta.env.DEV && query.get('fake') === '1') {
    const { createFakeController } = await import('./dev/fakeController.ts');
    return createFakeController(query.get('variant'));
  }
  const { createContributor } = await import('@chorale/client');
  return createContributor({
    serverUrl: location.origin,
    runId: query.get('run'),
    forcedBackend: readBackend(query.get('backend')),
  });
}

/** A backend this program does not know is ignored; the device section then shows that it chose by itself. */
function readBackend(value: string | null): BackendName | null {
  return BACKENDS.find((backend) => backend === value) ?? null;
}

const root = document.getElementById('root');
if (root === null) throw new Error('expected an element with id "root" in index.html');
createRoot(root).render(<App controller={await createController()} />);
