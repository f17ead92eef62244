import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { BuildView, LogRecord, PlacementInfoView, ProblemCode, WhySlowView } from '@kiln/contracts';
import type { Digest } from '@kiln/trees';
import { PartStore } from './part-store.ts';

/** A request that the fake API has received. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

const AT = '2026-01-02T03:04:05.000Z';
const ID = '01kaqz6w5h0123456789abcdef';

/** A build as the API returns it, with some fields changed. */
export function fakeBuild(change: Partial<BuildView> = {}): BuildView {
  const id = change.id ?? ID;
  return {
    id,
    state: 'queued',
    revision: 1,
    repo: 'app',
    team: 'default',
    trust: 'trusted',
    createdAt: AT,
    queuedAt: AT,
    attempts: [],
    request: {
      source: { type: 'upload', name: 'app' },
      team: 'default',
      dockerfile: 'Dockerfile',
      buildArgs: {},
      secrets: [],
      labels: {},
      platforms: [],
      tags: [],
      output: { type: 'none' },
      noCache: false,
      cacheScope: 'repo',
      pull: false,
      mtimes: 'stable',
      timeoutSeconds: 3600,
      priority: 'normal',
      weight: 1,
      hostLabels: {},
      dedupe: false,
      resources: {},
    },
    links: { self: `/v1/builds/${id}`, logs: `/v1/builds/${id}/logs`, placement: `/v1/builds/${id}/placement` },
    ...change,
  };
}

/** A fake of Kiln's API with one current build, whose log the test writes. It follows the contract, but has no rules. */
export class FakeApi implements AsyncDisposable {
  readonly seen: Seen[] = [];
  /** The query of each request. */
  readonly queries: string[] = [];
  build: BuildView = fakeBuild();
  builds: BuildView[] = [];
  hosts: unknown[] = [];
  checks: unknown[] = [];
  /** The answer to readiness probes. */
  readiness: readonly [status: number, text: string] = [200, 'ready\n'];
  hostLosses: unknown[] = [];
  placement: PlacementInfoView['decisions'] = [];
  whySlow: Omit<WhySlowView, 'build'> = {};
  artifact: Buffer = Buffer.alloc(0);
  /** Whether it has a login by the browser. */
  hasLogin = false;
  /** The codes of the logins by `kiln login` that have been approved. Their tokens are valid. */
  readonly approved = new Set<string>();
  /** When the identity of `whoami` expires. */
  expiresAt: string | undefined;
  trees = new PartStore();
  token = 'test-token';
  /** Undefined: as a server that doesn't tell its version. */
  version: string | undefined;
  /** Whether it leaves requests unanswered. */
  isSilent = false;
  /** Problems to return, by method and path. Each is used once, in order. */
  readonly refusals = new Map<string, { status: number; code: ProblemCode; detail: string; errors?: unknown[] }[]>();
  /** Called at each cancel. The default ends the build immediately. */
  onCancel: () => { status: number } = () => {
    this.end('canceled', { code: 'canceled', message: 'canceled' });
    return { status: 200 };
  };
  /** Called when a build has been accepted. */
  onSubmit: (seen: Seen) => void = () => {};
  readonly #log: string[] = [];
  readonly #readers = new Set<ServerResponse>();
  readonly #waiters = new Set<() => void>();
  #seq = 0;
  #attempt = 1;
  #logEnded = false;

  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
  }

  static async start(): Promise<FakeApi> {
    const server = createServer();
    const fake = new FakeApi(server);
    server.on('request', (req, res) => void fake.#answer(req, res));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Appends a record to the log. */
  log(record: LogRecord): void {
    this.#seq += 1;
    const id = `${this.#attempt}.${this.#seq}`;
    const event = `id: ${id}\nevent: ${record.type}\ndata: ${JSON.stringify({ id, ...record })}\n\n`;
    this.#log.push(event);
    this.#logEnded = record.type === 'end' && record.state !== 'queued';
    if (record.type === 'end' && record.state === 'queued') {
      this.#attempt += 1;
      this.#seq = 0;
    }
    for (const reader of this.#readers) {
      reader.write(event);
      if (this.#logEnded) reader.end();
    }
  }

  /** Ends the build and its log. */
  end(state: 'succeeded' | 'failed' | 'canceled', failure?: BuildView['failure'], result?: BuildView['result']): void {
    this.build = {
      ...this.build,
      state,
      finishedAt: AT,
      ...(failure && { failure }),
      ...(result && { result }),
    };
    this.log({ t: Date.parse(AT), type: 'end', state, ...(failure && { failure }) });
    for (const wake of this.#waiters) wake();
  }

  /** Breaks every open log stream, as a restart of the API would. */
  dropReaders(): void {
    for (const reader of this.#readers) reader.destroy();
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of req) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const { pathname, searchParams } = new URL(req.url ?? '/', this.url);
    const seen = { method: req.method ?? '', path: pathname, headers: req.headers, body: Buffer.concat(chunks) };
    this.seen.push(seen);
    this.queries.push(String(searchParams));
    if (this.isSilent) return;
    if (this.version !== undefined) res.setHeader('kiln-version', this.version);
    if (pathname === '/v1/version') {
      if (this.version === undefined) return problem(res, 404, 'not_found', 'no such path');
      return json(res, 200, { version: this.version });
    }
    if (pathname === '/readyz') return void res.writeHead(this.readiness[0]).end(this.readiness[1]);
    const refusal = this.refusals.get(`${seen.method} ${pathname}`)?.shift();
    if (refusal) return problem(res, refusal.status, refusal.code, refusal.detail, refusal.errors);
    if (pathname === '/auth/cli/state') {
      if (!this.hasLogin) return problem(res, 404, 'not_found', 'login is not available');
      const code = searchParams.get('code') ?? '';
      return json(res, 200, { approved: this.approved.has(code), page: `${this.url}/auth/cli` });
    }
    if (!this.#admits(req.headers.authorization)) {
      return problem(res, 401, 'unauthorized', 'the token is not one that this Kiln knows');
    }
    if (pathname === '/auth/logout') {
      this.approved.delete(codeOf(req.headers.authorization));
      return void res.writeHead(204).end();
    }
    if (pathname === '/v1/whoami') return json(res, 200, this.#whoami());
    const [, , kind, id, action] = pathname.split('/');
    if (kind === 'hosts' && id !== undefined) {
      const host = this.hosts.find((known) => (known as { name: string }).name === id);
      return host ? json(res, 200, host) : problem(res, 404, 'host_not_found', `no host ${id}`);
    }
    if (kind === 'hosts') return json(res, 200, { hosts: this.hosts });
    if (kind === 'checks') return json(res, 200, { checks: this.checks });
    if (kind === 'host-losses') return json(res, 200, { hosts: this.hostLosses });
    if (kind === 'trees') return json(res, 200, await this.#storeTrees(seen, id === 'missing'));
    if (kind !== 'builds') return problem(res, 404, 'not_found', 'no such path');
    if (id === undefined && seen.method === 'POST') {
      const lacking = this.#lackingOf(seen);
      if (lacking !== undefined)
        return problem(res, 404, 'context_not_found', 'the context is not stored', [
          { field: lacking, got: 'a digest', expected: 'that of something stored' },
        ]);
      json(res, 202, this.build);
      return this.onSubmit(seen);
    }
    if (id === undefined) {
      const state = searchParams.get('state');
      return json(res, 200, { builds: this.builds.filter((build) => state === null || build.state === state) });
    }
    const build = id === this.build.id ? this.build : this.builds.find((known) => known.id === id);
    if (!build) return problem(res, 404, 'build_not_found', `there is no build ${id}`);
    if (action === 'cancel') {
      if (this.build.finishedAt) return problem(res, 409, 'already_finished', 'the build has already finished');
      const { status } = this.onCancel();
      return json(res, status, this.build);
    }
    if (action === 'retry') return json(res, 202, this.build);
    if (action === 'why-slow') return json(res, 200, { build: id, ...this.whySlow });
    if (action === 'placement') return json(res, 200, { build: id, decisions: this.placement });
    if (action === 'artifact')
      return void res.writeHead(200, { 'content-type': 'application/x-tar' }).end(this.artifact);
    if (action === 'logs') return this.#stream(req, res);
    if (Number(searchParams.get('wait')) > 0) await this.#ended();
    json(res, 200, id === this.build.id ? this.build : build);
  }

  #admits(authorization = ''): boolean {
    return authorization === `Bearer ${this.token}` || this.approved.has(codeOf(authorization));
  }

  #whoami(): object {
    const who = { kind: 'session', id: 'oidc:corp:alice', name: 'alice', team: 'web', scopes: [], trust: 'trusted' };
    return { ...who, ...(this.expiresAt !== undefined && { expiresAt: this.expiresAt }) };
  }

  async #storeTrees({ headers, body }: Seen, isQuestion: boolean): Promise<object> {
    if (isQuestion) return this.trees.missing(JSON.parse(body.toString()));
    const { 'content-encoding': encoding } = headers;
    const bytes = encoding === 'zstd' ? zstdDecompressSync(body) : encoding === 'gzip' ? gunzipSync(body) : body;
    return this.trees.store(Readable.from([bytes]));
  }

  /** Returns the field that names what isn't stored. */
  #lackingOf({ headers, body }: Seen): string | undefined {
    if (headers['content-type'] !== 'application/json') return undefined;
    const { source } = JSON.parse(body.toString()) as { source: { digest?: Digest; times?: Digest } };
    if (source.digest !== undefined && !this.trees.directories.has(source.digest)) return 'source.digest';
    return source.times !== undefined && !this.trees.files.has(source.times) ? 'source.times' : undefined;
  }

  #stream(req: IncomingMessage, res: ServerResponse): void {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write(': hello\n\n');
    const last = req.headers['last-event-id'];
    const from = last === undefined ? 0 : this.#log.findIndex((event) => event.startsWith(`id: ${last}\n`)) + 1;
    for (const event of this.#log.slice(from)) res.write(event);
    const follow = new URL(req.url ?? '/', this.url).searchParams.get('follow') !== 'false';
    if (this.#logEnded || !follow) return void res.end();
    this.#readers.add(res);
    res.on('close', () => this.#readers.delete(res));
  }

  async #ended(): Promise<void> {
    if (this.build.finishedAt) return;
    await new Promise<void>((resolve) => {
      this.#waiters.add(resolve);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => {
      this.server.close(resolve);
    });
  }
}

/** The code of the token that a request carries. */
function codeOf(authorization = ''): string {
  return createHash('sha256').update(authorization.replace('Bearer ', '')).digest('hex');
}

function json(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function problem(res: ServerResponse, status: number, code: ProblemCode, detail: string, errors: unknown[] = []): void {
  res
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ type: 'about:blank', title: code, status, code, detail, errors }));
}
