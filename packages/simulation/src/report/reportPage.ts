import type { SimulatedRound } from '../seedState.ts';
import type { SeedSummary, SimulationSummary } from '../summary.ts';
import { curves } from './curves.ts';
import { bytes, orDash, percent, rough, seconds, short, spread } from './formats.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';
import { REPORT_STYLE } from './reportStyle.ts';
import type { Column } from './table.ts';
import { table } from './table.ts';

/** More clients or labels than these are in `summary.json` only. */
const MOST_CLIENTS = 100;
const MOST_LABELS = 24;

/**
 * The report of a simulation: one page that needs no other file, no network and no script.
 * @param rounds of each seed
 * @returns HTML
 */
export function reportPage(
  summary: SimulationSummary,
  rounds: ReadonlyMap<number, SimulatedRound[]>,
): string {
  const { run, seeds, machine, command, backend, workers } = summary;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${run.name} · simulation</title>
        <style>
          ${{ markup: REPORT_STYLE }}
        </style>
      </head>
      <body>
        <header>
          <h1>${run.name}</h1>
          <p>${describeSimulation(summary)}</p>
          ${headline(summary)}
        </header>
        <main>
          <h2>Curves</h2>
          ${curves(summary, rounds)}
          <h2>Results</h2>
          ${results(summary)} ${[...rounds].map(([seed, records]) => roundsOf(seed, records))}
          <h2>Clients</h2>
          <p class="note">
            No row is in two clients’ hands. ${summary.rows.train} rows were read; a step draws each row of a
            client with probability ${short(run.training.samplingRate)}.
          </p>
          ${seeds.map((seed) => clientsOf(seed, summary))}
          <h2>Configuration</h2>
          <div class="scroll tall" role="region" tabindex="0" aria-label="Configuration">
            <pre>${JSON.stringify({ ...run, simulation: summary.simulation }, null, 2)}</pre>
          </div>
          <h2>To repeat it</h2>
          <div class="scroll" role="region" tabindex="0" aria-label="Command"><pre>${command}</pre></div>
          <p class="note">
            The same config, seeds and backend give the same numbers bit by bit on the same kind of machine,
            however many workers compute. This was ${machine.cpu}, ${machine.cores} cores,
            ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}; backend ${backend}, ${workers}
            ${workers === 1 ? 'worker' : 'workers'}.
          </p>
          ${table(
            'SHA-256 of what was read',
            [
              { header: 'what', cell: ([name]: [string, string]) => name },
              { header: 'SHA-256', cell: ([, hash]) => hash },
            ],
            Object.entries(summary.hashes).filter((entry): entry is [string, string] => entry[1] !== null),
          )}
        </main>
      </body>
    </html>`;
  return `${page.markup.trimStart()}\n`;
}

function describeSimulation({ run, simulation, noiseMultiplier }: SimulationSummary): string {
  const { strategy, rank, basis, head } = run.adapter;
  const { privacy, rounds } = run;
  const kind = {
    iid: 'the rows dealt out at random',
    'label-skew': 'labels skewed as configured',
    dirichlet: 'labels skewed by a Dirichlet distribution',
  }[simulation.split.kind];
  const protection =
    privacy.unit === 'none'
      ? 'without privacy protection'
      : `with differential privacy of unit ${privacy.unit} (noise multiplier ${short(noiseMultiplier)}, ${privacy.noise})`;
  return (
    `Simulation of ${simulation.clients} clients, ${rounds.cohortSize} in each of ${rounds.count} rounds, ${kind}: ` +
    `${strategy}, rank ${rank}, ${basis} basis, ${head} head, ${protection}.`
  );
}

function headline({ seeds, testAccuracy, testLoss, meanAggregationError }: SimulationSummary): Html {
  const [first] = seeds;
  const epsilons = seeds.flatMap(({ epsilon: spent }) => spent ?? []);
  const epsilon = epsilons.length === 0 ? null : Math.max(...epsilons);
  const over = seeds.length === 1 ? 'one seed' : `mean ± standard deviation over ${seeds.length} seeds`;
  const stat = (name: string, value: string, note: string) =>
    html`<div class="card">
      <dt>${name}</dt>
      <dd>${value}<small>${note}</small></dd>
    </div>`;
  return html`<dl class="stats">
    ${stat('Test accuracy', spread(testAccuracy, percent), over)}
    ${stat('Test loss', spread(testLoss, short, rough), over)}
    ${stat('Epsilon', epsilon === null ? 'none kept' : String(epsilon), epsilon === null ? 'no privacy protection' : 'of the most charged client')}
    ${stat('Uplink', bytes(first?.uplinkBytesPerClient ?? 0), 'per client and round, at most')}
    ${stat('Aggregation error', spread(meanAggregationError, short, rough), 'mean over the rounds')}
  </dl>`;
}

function results({ seeds, testAccuracy, testLoss, meanAggregationError }: SimulationSummary): Html {
  const columns: Column<SeedSummary>[] = [
    { header: 'seed', cell: ({ seed }) => seed },
    { header: 'accuracy before', cell: ({ initialAccuracy }) => orDash(initialAccuracy, percent) },
    { header: 'test accuracy', cell: (seed) => orDash(seed.testAccuracy, percent) },
    { header: 'test loss', cell: (seed) => orDash(seed.testLoss, short) },
    { header: 'epsilon', cell: ({ epsilon }) => orDash(epsilon, String) },
    { header: 'aggregation error', cell: (seed) => short(seed.meanAggregationError) },
    { header: 'uplink of all', cell: ({ uplinkBytes }) => bytes(uplinkBytes) },
    { header: 'time', cell: (seed) => seconds(seed.seconds) },
  ];
  const foot = [
    'mean ± sd',
    '',
    spread(testAccuracy, percent),
    spread(testLoss, short, rough),
    '',
    spread(meanAggregationError, short, rough),
    '',
    '',
  ];
  return table('After the last round', columns, seeds, seeds.length > 1 ? foot : null);
}

function roundsOf(seed: number, records: readonly SimulatedRound[]): Html {
  const columns: Column<SimulatedRound>[] = [
    { header: 'round', cell: ({ round }) => round },
    { header: 'test accuracy', cell: ({ testAccuracy }) => orDash(testAccuracy, percent) },
    { header: 'test loss', cell: ({ testLoss }) => orDash(testLoss, short) },
    { header: 'epsilon', cell: ({ epsilon }) => orDash(epsilon, String) },
    { header: 'aggregation error', cell: (round) => short(round.aggregationError) },
    { header: 'uplink per client', cell: (round) => bytes(round.uplinkBytesPerClient) },
    { header: 'time', cell: (round) => seconds(round.seconds) },
    { header: 'cohort', cell: ({ cohort }) => shortList(cohort) },
  ];
  return html`<details>
    <summary>All rounds of seed ${seed}</summary>
    ${table(`Rounds of seed ${seed}`, columns, records)}
  </details>`;
}

function clientsOf({ seed, clients }: SeedSummary, { run }: SimulationSummary): Html {
  type Client = SeedSummary['clients'][number] & { number: number };
  const rowCount = ({ labelCounts }: Client) => labelCounts.reduce((sum, count) => sum + count, 0);
  const { labels } = run.task;
  const columns: Column<Client>[] = [
    { header: 'client', cell: ({ number }) => number },
    { header: 'rows', cell: rowCount },
    { header: 'rounds', cell: ({ roundsTaken }) => roundsTaken },
    {
      header: 'rows a step draws on average',
      cell: (client) => short(rowCount(client) * run.training.samplingRate),
    },
    ...labels.slice(0, MOST_LABELS).map((label, i): Column<Client> => ({
      header: `“${label}”`,
      cell: (client) => client.labelCounts[i]!,
    })),
  ];
  const shown = clients.slice(0, MOST_CLIENTS).map((client, i): Client => ({ ...client, number: i + 1 }));
  const isCut = clients.length > MOST_CLIENTS || labels.length > MOST_LABELS;
  return html`<details${{ markup: clients.length <= 10 ? ' open' : '' }}>
    <summary>Rows and labels of the clients, seed ${seed}</summary>
    ${table(`Clients of seed ${seed}`, columns, shown)}
    ${isCut ? html`<p class="note">summary.json has all ${clients.length} clients and ${labels.length} labels.</p>` : html``}
  </details>`;
}

function shortList(numbers: readonly number[]): string {
  return numbers.length <= 8
    ? numbers.join(', ')
    : `${numbers.slice(0, 8).join(', ')} and ${numbers.length - 8} more`;
}
