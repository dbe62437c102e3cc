import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { ensureChromium, launchChromium } from '@chorale/chromium';
import type { BackendName } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import type { Browser } from 'playwright-core';
import { contributeUntilEnd } from '../contribute.ts';
import { backendName, parseOptions, wholeNumber } from '../options.ts';
import { startServerProcess } from '../serverProcess.ts';
import { downloadAdapter, watchRun } from './adminWatch.ts';
import { prepareDemoData } from './demoData.ts';
import { roundTableHeader, roundTableLine } from './roundTable.ts';
import { backendOf, joinThroughPage } from './tabs.ts';

export const DEMO_USAGE = `npm run demo -- [options]

Starts a server on this machine, opens headless tabs on its contributor page, joins them through the page as a person
would, and prints a line for every round.

  --tabs N              number of tabs (default 3)
  --rounds N            number of rounds (default 10)
  --data FILE --test FILE   your own rows (CSV, TSV, JSONL): dealt out to the tabs; tested on the second file
  --backend NAME        webgpu, webgl, wasm or cpu in every tab (default: each tab chooses)
  --keep                go on serving after the last round
  --port N              default: any free port
  --dir DIR             where everything is written (default .demo/ and a time)
  --json                also print one JSON object on the last line
`;

/** A forced GPU backend may be a renderer in software, a hundred times slower than wasm. */
const SOFTWARE_GPU_DEADLINE_SECONDS = 1800;

export async function demo(args: string[]): Promise<number> {
  const values = parseOptions(args, {
    tabs: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '10' },
    data: { type: 'string' },
    test: { type: 'string' },
    backend: { type: 'string' },
    keep: { type: 'boolean', default: false },
    port: { type: 'string', default: '0' },
    dir: { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  if ((values.data === undefined) !== (values.test === undefined)) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      '--data and --test go together: rows to train on, and public rows to test on',
    );
  }
  const backend = values.backend === undefined ? null : backendName(values.backend);
  const directory = resolve(
    values.dir ?? join('.demo', new Date().toISOString().replaceAll(':', '-').slice(0, 19)),
  );
  const data = prepareDemoData(join(directory, 'files'), {
    tabs: wholeNumber('tabs', values.tabs, 1),
    rounds: wholeNumber('rounds', values.rounds, 1),
    own: values.data && values.test ? { data: values.data, test: values.test } : null,
    ...(backend === 'webgpu' || backend === 'webgl'
      ? { deadlineSeconds: SOFTWARE_GPU_DEADLINE_SECONDS }
      : {}),
  });
  mkdirSync(directory, { recursive: true });
  say(`Data: ${data.description}`);
  const chromium = await ensureChromium({ log: say });
  if (chromium.path === null) say(`No browser: ${chromium.reasons.join('; ')}.`);
  const server = await startServerProcess([
    `--data-dir=${join(directory, 'server')}`,
    `--config=${data.configPath}`,
    `--port=${values.port}`,
    // The table of rounds is what people read here
    '--log-level=warn',
  ]);
  const { addresses } = server;
  say(`Contribute: ${addresses.contributeUrl}`);
  say(`Admin:      ${addresses.adminUrl}\n`);
  let browser: Browser | null = null;
  try {
    say(roundTableHeader());
    const watched = watchRun(addresses, (record) => say(roundTableLine(record)));
    const failure = failureOf(server.child, {
      contributors: data.tabFiles.length,
      updates: data.minimumUpdates,
    });
    const ended = Promise.race([watched, failure.promise]);
    if (chromium.path === null) {
      startNodeContributors(addresses.contributeUrl, data.tabFiles, backend, failure.lose);
    } else {
      browser = await openBrowser(chromium.path, backend);
      const url = new URL(addresses.contributeUrl);
      if (backend) url.searchParams.set('backend', backend);
      const joining = data.tabFiles.map((file) => joinThroughPage(browser!, url.href, file, failure.lose));
      await Promise.race([Promise.all(joining), ended]);
      if (!backend) say(`(the tabs chose: ${await backendOf(await joining[0]!)})`);
    }
    const detail = await ended;
    const folder = relative('.', await downloadAdapter(addresses, directory));
    const records = detail.rounds;
    const first = records[0]?.testAccuracy ?? null;
    const last = records.at(-1)?.testAccuracy ?? null;
    say(`\nThe run ${detail.state.status}. Test accuracy: ${percent(first)} before, ${percent(last)} after.`);
    say(`The adapter lies in ${folder} (Hugging Face PEFT layout).`);
    if (values.keep) {
      say(`Still serving. Look at the run: ${addresses.adminUrl}\nStop with Ctrl+C.`);
      await browser?.close();
      await interrupted();
    } else {
      say(
        'Next: npm run demo -- --keep, then open the admin address; or npm start, and open the contributor page yourself.',
      );
    }
    if (values.json) {
      const { unit: privacyUnit } = detail.run.plan.config.privacy;
      const summary = { status: detail.state.status, privacyUnit, rounds: records, adapter: folder };
      process.stdout.write(`${JSON.stringify(summary)}\n`);
    }
    return detail.state.status === 'completed' ? 0 : 1;
  } finally {
    await browser?.close();
    await server.stop();
  }
}

async function openBrowser(executablePath: string, backend: BackendName | null): Promise<Browser> {
  // A forced webgpu must work without a GPU too; without force the tab sees what the machine has
  const webgpu = backend === 'webgpu' ? 'swiftshader' : backend === null ? 'hardware' : 'off';
  return await launchChromium({ webgpu, executablePath });
}

/**
 * What makes a demo impossible: the server is gone, or fewer contributors are left than a round needs.
 * @returns a promise that rejects then, and the way to report a contributor as lost
 */
function failureOf(server: ChildProcess, needed: { contributors: number; updates: number }) {
  const { promise, reject } = Promise.withResolvers<never>();
  // Its rejection counts only where it is awaited
  promise.catch(() => undefined);
  server.once('exit', (code) =>
    reject(new ChoraleError('INTERNAL', `The server ended (${code}); see above.`)),
  );
  let left = needed.contributors;
  const lose = (why: string) => {
    left -= 1;
    say(`A contributor was lost: ${why}`);
    if (left < needed.updates) {
      reject(
        new ChoraleError('INTERNAL', `${left} contributors are left, and a round needs ${needed.updates}.`),
      );
    }
  };
  return { promise, lose };
}

function startNodeContributors(
  serverUrl: string,
  files: string[],
  backend: BackendName | null,
  lose: (why: string) => void,
): void {
  if (backend === 'webgpu' || backend === 'webgl') {
    throw new ChoraleError(
      'DEVICE_UNSUPPORTED',
      `--backend ${backend} needs a browser, and this machine has none.`,
    );
  }
  say('Using Node contributors with the same training code instead of tabs.');
  for (const dataPath of files) {
    contributeUntilEnd({
      serverUrl,
      dataPath,
      runId: null,
      invite: null,
      backend: backend ?? 'wasm',
      columns: { text: null, textPair: null, label: null },
      // Each is another person, as far as the run is concerned
      ledgerPath: `${dataPath}.ledger.sqlite`,
      modelCachePath: null,
      limits: {},
      onChange: () => undefined,
    }).then(
      ({ participation }) => {
        const { status } = participation;
        if (status === 'stopped' && participation.because !== 'run-completed') lose(participation.message);
      },
      (error: unknown) => lose(error instanceof Error ? error.message : String(error)),
    );
  }
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

function percent(share: number | null): string {
  return share === null ? 'not measured' : `${(100 * share).toFixed(1)} %`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
