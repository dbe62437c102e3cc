import { createRoot } from 'react-dom/client';
import '@chorale/ui/styles.css';
import './app.css';
import { App } from './App.tsx';
import type { AdminSource } from './source/AdminSource.ts';
import { createLiveSource } from './source/liveSource.ts';

async function createSource(): Promise<AdminSource> {
  const query = new URLSearchParams(location.search);
  if (import.meta.env.DEV && query.get('fake') === '1') {
    const { createFakeSource } = await import('./dev/fakeSource.ts');
    return createFakeSource(query.get('variant'));
  }
  return createLiveSource();
}

// Only the address without the slash signs in; a link that was copied with one must work as well.
const token = new URLSearchParams(location.search).get('token');
if (token !== null && location.pathname !== '/admin') {
  location.replace(`/admin?token=${encodeURIComponent(token)}`);
}

const root = document.getElementById('root');
if (root === null) throw new Error('expected an element with id "root" in index.html');
createRoot(root).render(<App source={await createSource()} />);
