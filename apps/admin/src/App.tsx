import { useEffect, useRef, useSyncExternalStore } from 'react';
import { ActionButton, Brand, Notice, Progress, StatusChip } from '@chorale/ui';
import { messages } from './messages.ts';
import type { Route } from './route.ts';
import { Link, useRoute } from './router.tsx';
import { LogScreen } from './safety/LogScreen.tsx';
import { safetyMessages } from './safety/safetyMessages.ts';
import { RunScreen } from './screens/RunScreen.tsx';
import { RunsScreen } from './screens/RunsScreen.tsx';
import { SignInScreen } from './screens/SignInScreen.tsx';
import type { AdminSource, Connection } from './source/AdminSource.ts';
import { Veil } from './Veil.tsx';

/** The admin page: sign-in, or the screen its address names, under a line that says whether the data is live. */
export function App({ source }: { source: AdminSource }) {
  const { session, connection, runs, problem } = useSyncExternalStore(source.subscribe, source.getState);
  const route = useRoute();
  const key = route.screen === 'run' ? route.runId : route.screen;
  useFocusOnChange(key);

  const runName =
    route.screen === 'run'
      ? runs?.find(({ detail }) => detail.run.runId === route.runId)?.detail.run.plan.config.name
      : undefined;
  const title = session.status === 'signed-out' ? messages.signIn.title : (runName ?? titleOf(route));
  useEffect(() => {
    document.title = messages.title(title);
  }, [title]);

  const signedIn = session.status === 'signed-in';
  return (
    <>
      <a className="skip-link" href="#content">
        {messages.skip}
      </a>
      <header className="page-head">
        <Link to={{ screen: 'runs' }} className="ch-brand">
          <Brand suffix={messages.suffix} />
        </Link>
        <div className="ch-row">
          <div role="status">{signedIn && <ConnectionChip connection={connection} />}</div>
          {signedIn && (
            <>
              <Link to={{ screen: 'log' }}>{safetyMessages.log}</Link>
              <ActionButton onAction={source.signOut}>{safetyMessages.signOut}</ActionButton>
            </>
          )}
        </div>
      </header>
      <main id="content" className="page" tabIndex={-1}>
        {session.status === 'checking' && <Progress label={messages.loading} value={null} />}
        {session.status === 'unreachable' && (
          <>
            <h1>{messages.unreachable}</h1>
            <Notice kind="error" title={session.message} announce>
              <p>{messages.retrying}</p>
            </Notice>
          </>
        )}
        {session.status === 'signed-out' && <SignInScreen />}
        {signedIn && (
          <>
            {connection.status === 'lost' && <Veil since={connection.since} />}
            {problem !== null && (
              <Notice kind="error" title={messages.problem} announce>
                <p>{problem}</p>
                <p>{messages.problemHelp}</p>
              </Notice>
            )}
            <div className={`page-body ${connection.status === 'lost' ? 'page-body-stale' : ''}`}>
              {route.screen === 'runs' && <RunsScreen runs={runs ?? []} />}
              {route.screen === 'run' && (
                <RunScreen
                  key={route.runId}
                  run={runs?.find(({ detail }) => detail.run.runId === route.runId) ?? null}
                  source={source}
                />
              )}
              {route.screen === 'log' && <LogScreen source={source} />}
              {route.screen === 'unknown' && (
                <>
                  <h1>{messages.unknownScreen}</h1>
                  <p>
                    <Link to={{ screen: 'runs' }}>{messages.toRuns}</Link>
                  </p>
                </>
              )}
            </div>
          </>
        )}
      </main>
    </>
  );
}

function titleOf({ screen }: Route): string {
  return screen === 'log' ? safetyMessages.logScreen.title : messages.runs.title;
}

function ConnectionChip({ connection }: { connection: Connection }) {
  const text = messages.connection;
  switch (connection.status) {
    case 'connecting':
      return <StatusChip tone="neutral" shape="dashed" word={text.connecting} />;
    case 'live':
      return <StatusChip tone="good" shape="dot" word={text.live} />;
    case 'lost':
      return <StatusChip tone="warn" word={text.lost} />;
  }
}

/** After a change of screen the focus goes to its heading, as it would on a new page. */
function useFocusOnChange(key: string): void {
  const first = useRef(true);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    const heading = document.querySelector<HTMLElement>('main h1');
    if (heading === null) return;
    heading.tabIndex = -1;
    heading.focus();
  }, [key]);
}
