import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface SeenGitRequest {
  readonly path: string;
  readonly authorization: string | undefined;
}

/** A git server over HTTP: git's own http-backend before one repository, which tests commit to. */
export class GitServer implements AsyncDisposable {
  readonly token = 'the-git-token';
  readonly seen: SeenGitRequest[] = [];
  /** While it is set, requests are answered by it. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  readonly #root: string;
  readonly #server: Server;

  private constructor(root: string) {
    this.#root = root;
    this.#server = createServer((request, response) => this.#serve(request, response));
  }

  static async start(): Promise<GitServer> {
    const root = mkdtempSync(join(tmpdir(), 'kiln-git-'));
    const server = new GitServer(root);
    mkdirSync(join(root, 'work'));
    server.git('init', '-q', '-b', 'main');
    execFileSync('git', ['init', '-q', '--bare', '-b', 'main', join(root, 'app.git')]);
    execFileSync('git', ['-C', join(root, 'app.git'), 'config', 'uploadpack.allowFilter', 'true']);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** `/private/app.git` is the same for those with the token. */
  url(path = '/app.git'): string {
    return this.origin + path;
  }

  git(...args: string[]): string {
    const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org'];
    return execFileSync('git', ['-C', join(this.#root, 'work'), ...who, ...args], { encoding: 'utf8' }).trim();
  }

  /** Commits files to a branch, which begins where the last commit was; answers the commit. */
  commit(files: Readonly<Record<string, string>>, branch = 'main'): string {
    this.git('checkout', '-q', '-B', branch);
    for (const [name, text] of Object.entries(files)) {
      const path = join(this.#root, 'work', name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    this.git('add', '.');
    this.git('commit', '-q', '--allow-empty', '-m', 'change');
    this.git('push', '-q', '--force', join(this.#root, 'app.git'), `${branch}:${branch}`);
    return this.git('rev-parse', 'HEAD');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#root, { recursive: true, force: true });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { authorization } = request.headers;
    const url = new URL(request.url ?? '/', 'http://git');
    this.seen.push({ path: url.pathname, authorization });
    if (this.instead) {
      this.instead(request, response);
      return;
    }
    const given = Buffer.from(authorization?.replace(/^basic /i, '') ?? '', 'base64').toString();
    if (url.pathname.startsWith('/private/') && !given.endsWith(`:${this.token}`)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
      return;
    }
    void answer(this.#root, url, request, response);
  }
}

async function answer(root: string, url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const backend = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env.PATH ?? '',
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: url.pathname.replace('/private/', '/'),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      HTTP_CONTENT_ENCODING: String(request.headers['content-encoding'] ?? ''),
    },
  });
  backend.stdin.on('error', () => {});
  request.pipe(backend.stdin);
  const [bytes] = await Promise.all([Array.fromAsync(backend.stdout as AsyncIterable<Buffer>), once(backend, 'close')]);
  const whole = Buffer.concat(bytes);
  const end = whole.indexOf('\r\n\r\n');
  const fields = whole
    .subarray(0, end)
    .toString()
    .split('\r\n')
    .map((line) => line.split(': ', 2) as [string, string]);
  const status = Number.parseInt(fields.find(([name]) => name === 'Status')?.[1] ?? '200', 10);
  response.writeHead(status, Object.fromEntries(fields.filter(([name]) => name !== 'Status')));
  response.end(whole.subarray(end + 4));
}
