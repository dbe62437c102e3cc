import { createHash } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type HubRequest = { method: string; url: string; headers: IncomingMessage['headers'] };

/** How the file server answers a request, by its number for this file, from 1. */
export type FileAnswer =
  | { how: 'right' }
  /** Sends so many bytes of what was asked for, then destroys the connection. */
  | { how: 'cut'; after: number }
  /** Sends so many bytes of what was asked for, then nothing more. */
  | { how: 'stall'; after: number }
  /** One bit of the answer is another. */
  | { how: 'wrong-byte' }
  /** A whole answer of fewer bytes than there should be. */
  | { how: 'short'; by: number }
  | { how: 'status'; status: number; headers?: Record<string, string> }
  /** 200 and the whole file, whatever range was asked for. */
  | { how: 'no-ranges' };

const RIGHT: FileAnswer = { how: 'right' };

/**
 * A hub on this machine that speaks Hugging Face's paths: the API and `resolve` on one address, which redirects to a
 * second one for the bytes, as theirs does to its CDN.
 */
export class LocalHub {
  /** What its revisions are; a test may move them on. */
  commit = createHash('sha1').update('a commit').digest('hex');
  /** By file name; the API describes these. */
  readonly files: Map<string, Uint8Array>;
  /** Requests to the hub's own address, and to the one it redirects to. */
  readonly requests: HubRequest[] = [];
  readonly fileRequests: HubRequest[] = [];
  /** What is asked for without it is answered with 401; null: everything is public. */
  token: string | null = null;
  /** Answers the API in its place. */
  answerApi: ((response: ServerResponse) => boolean) | null = null;
  answerFile: (name: string, count: number) => FileAnswer = () => RIGHT;
  readonly repository = 'acme/tiny';
  endpoint = '';
  #cdnAddress = '';
  readonly #asked = new Map<string, number>();
  readonly #hub: Server;
  readonly #cdn: Server;

  private constructor(files: Map<string, Uint8Array>) {
    this.files = files;
    this.#hub = createServer((request, response) => this.#answerHub(request, response));
    this.#cdn = createServer((request, response) => this.#answerCdn(request, response));
  }

  static async start(files: Map<string, Uint8Array>): Promise<LocalHub> {
    const hub = new LocalHub(files);
    hub.endpoint = await listen(hub.#hub);
    hub.#cdnAddress = await listen(hub.#cdn);
    return hub;
  }

  /** Names of the files whose bytes were asked for, in order. */
  get filesAsked(): string[] {
    return this.fileRequests.map(({ url }) => decodeURIComponent(url.slice(url.lastIndexOf('/') + 1)));
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #answerHub({ method, url, headers }: IncomingMessage, response: ServerResponse): void {
    this.requests.push({ method: method!, url: url!, headers });
    if (this.token !== null && headers.authorization !== `Bearer ${this.token}`) {
      refuse(response, 401, 'RepoNotFound', 'Repository not found');
      return;
    }
    const [path, query] = url!.split('?');
    const revision = new RegExp(`^/api/models/${this.repository}/revision/([^/]+)$`).exec(path!)?.[1];
    if (revision !== undefined) {
      if (this.answerApi?.(response)) return;
      if (!['main', 'v1', this.commit].includes(decodeURIComponent(revision))) {
        refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${decodeURIComponent(revision)}`);
        return;
      }
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(this.#description(query === 'blobs=true')));
      return;
    }
    const name = new RegExp(`^/${this.repository}/resolve/${this.commit}/([^/]+)$`).exec(path!)?.[1];
    const bytes = name === undefined ? undefined : this.files.get(decodeURIComponent(name));
    if (bytes === undefined) {
      refuse(response, 404, path!.startsWith('/api/') ? 'RepoNotFound' : 'EntryNotFound', 'Not found');
      return;
    }
    response
      .writeHead(302, {
        location: `${this.#cdnAddress}/blobs/${name}`,
        'x-repo-commit': this.commit,
        'x-linked-etag': `"${createHash('sha256').update(bytes).digest('hex')}"`,
        'x-linked-size': String(bytes.byteLength),
      })
      .end('Found. Redirecting');
  }

  #answerCdn({ method, url, headers }: IncomingMessage, response: ServerResponse): void {
    this.fileRequests.push({ method: method!, url: url!, headers });
    const name = decodeURIComponent(url!.slice(url!.lastIndexOf('/') + 1));
    const count = (this.#asked.get(name) ?? 0) + 1;
    this.#asked.set(name, count);
    const answer = this.answerFile(name, count);
    if (answer.how === 'status') {
      response.writeHead(answer.status, answer.headers).end();
      return;
    }
    const whole = this.files.get(name)!;
    const etag = `"${createHash('md5').update(whole).digest('hex')}"`;
    const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    if (start > 0 && start >= whole.byteLength) {
      response.writeHead(416, { 'content-range': `bytes */${whole.byteLength}` }).end();
      return;
    }
    const fits = headers['if-range'] === undefined || headers['if-range'] === etag;
    const ranged = start > 0 && fits && answer.how !== 'no-ranges';
    let body = ranged ? whole.slice(start) : whole.slice();
    if (answer.how === 'wrong-byte') body[body.length >> 1]! ^= 1;
    if (answer.how === 'short') body = body.slice(0, body.length - answer.by);
    response.writeHead(ranged ? 206 : 200, {
      etag,
      'content-length': String(body.byteLength),
      ...(ranged ? { 'content-range': `bytes ${start}-${whole.byteLength - 1}/${whole.byteLength}` } : {}),
    });
    if (answer.how === 'stall') response.write(body.subarray(0, answer.after));
    else if (answer.how === 'cut') {
      // What has arrived when the connection is reset is lost with it: a while for the other side to take it
      response.write(body.subarray(0, answer.after), () =>
        setTimeout(() => response.destroy(), answer.after > 0 ? 500 : 0),
      );
    } else response.end(body);
  }

  /** Large files are those that git keeps a pointer of, with a SHA-256; of others it has its own hash. */
  #description(blobs: boolean): unknown {
    const siblings = [...this.files].map(([rfilename, bytes]) => {
      if (!blobs) return { rfilename };
      const pointer = createHash('sha1').update(`blob ${bytes.byteLength}\0`).update(bytes).digest('hex');
      const sibling = { rfilename, blobId: pointer, size: bytes.byteLength };
      if (!rfilename.endsWith('.safetensors')) return sibling;
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return {
        ...sibling,
        blobId: '0'.repeat(40),
        lfs: { sha256, size: bytes.byteLength, pointerSize: 134 },
      };
    });
    return { id: this.repository, sha: this.commit, private: false, siblings };
  }
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'x-error-code': code, 'x-error-message': message });
  response.end(JSON.stringify({ error: message }));
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
