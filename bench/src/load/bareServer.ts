import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PublicRun, RunState } from '@chorale/protocol';
import { CONTRIBUTE_NAMESPACE } from '@chorale/protocol';
import { Server } from 'socket.io';

/*
 * What Chorale's server is compared with: the least that any federated server over socket.io does. It sends the same
 * adapter to everybody, takes every update as it comes, adds it to a running sum and says so, and starts the next round
 * when all are in. It checks nothing, stores nothing, knows nobody, and forgets all when it ends.
 *
 *   node bareServer.ts PUBLIC_RUN.json COHORT_SIZE     (answers the address on stdout)
 */

const [file, cohort] = process.argv.slice(2);
if (file === undefined || cohort === undefined) throw new Error('expected a file and a cohort size');
const { run, state: firstState }: PublicRun = JSON.parse(readFileSync(file, 'utf8')) as PublicRun;
const cohortSize = Number(cohort);
const { parameterCount } = run.plan;

const parameters = new Float32Array(parameterCount);
const sum = new Float64Array(parameterCount);
let state: RunState = { ...firstState, cohortSize, status: 'recruiting' };
let received = 0;
let joined = 0;

const http = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ run, state, rounds: [] } satisfies PublicRun));
});
const io = new Server(http, {
  transports: ['websocket'],
  serveClient: false,
  maxHttpBufferSize: 8 * parameterCount + 65_536,
});
const contributors = io.of(CONTRIBUTE_NAMESPACE);

contributors.on('connection', (socket) => {
  socket.on('join', (_message: unknown, answer: (result: unknown) => void) => {
    const contributorId = `bare${String(joined).padStart(8, '0')}`;
    answer({ ok: true, value: { contributorId, token: 'x'.repeat(32), state, chargedRounds: [] } });
    joined += 1;
    if (joined === cohortSize) startRound();
  });
  socket.on('offer', (_message: unknown, answer: (result: unknown) => void) =>
    answer({ ok: true, value: 'send' }),
  );
  socket.on('update', ({ round }: { round: number }, payload: Buffer, answer: (result: unknown) => void) => {
    add(payload);
    answer({ ok: true, value: { round, duplicate: false } });
    received += 1;
    if (received === cohortSize) closeRound();
  });
});

/** The values are the last bytes of an update in float32. */
function add(payload: Buffer): void {
  const values = new Float32Array(parameterCount);
  new Uint8Array(values.buffer).set(payload.subarray(payload.length - values.byteLength));
  for (let i = 0; i < parameterCount; i++) sum[i]! += values[i]!;
}

function startRound(): void {
  state = { ...state, status: 'training' };
  contributors.emit('run:state', state);
  const message = {
    runId: run.runId,
    round: state.round,
    attempt: 1,
    adapterVersion: state.adapterVersion,
    timeLeftMs: 600_000,
  };
  contributors.emit('round:start', message, Buffer.from(parameters.slice().buffer));
}

function closeRound(): void {
  for (let i = 0; i < parameterCount; i++) parameters[i]! += sum[i]! / received;
  sum.fill(0);
  received = 0;
  const adapterVersion = state.adapterVersion + 1;
  state = { ...state, adapterVersion, round: Math.min(state.round + 1, state.roundCount) };
  contributors.emit('run:state', state);
  setImmediate(startRound);
}

http.listen(0, '127.0.0.1', () => {
  const { port } = http.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ contributeUrl: `http://127.0.0.1:${port}/` })}\n`);
});
process.once('SIGTERM', () => process.exit(0));
