import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FIRST_COMMIT_AT = 1_700_000_000;
const CONFIG = `[core]
\trepositoryformatversion = 0
\tbare = true
[uploadpack]
\tallowFilter = true
[fastimport]
\tunpackLimit = 1
`;

export interface SeenGitRequest {
  readonly path: string;
  readonly host: string | undefined;
  readonly authorization: string | undefined;
}

export interface OddEntry {
  readonly mode: '100644' | '120000' | '40000';
  readonly name: string;
  /** Of a file or link, or the entries of a directory. */
  readonly content: string | readonly OddEntry[];
}

/** Determined once, because starting a process takes longer than most tests. */
let backendPath: string | undefined;

/** A git server over HTTP (git's own http-backend) with one repository, to which tests commit. */
export class GitServer implements AsyncDisposable {
  readonly token = 'the-git-token';
  readonly seen: SeenGitRequest[] = [];
  /** If set, answers requests instead of the server. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  readonly #root: string;
  readonly #server: Server;
  #commits = 0;
  #last: string | undefined;

  private constructor(root: string) {
    this.#root = root;
    this.#server = createServer((request, response) => this.#serve(request, response));
  }

  static async start(): Promise<GitServer> {
    const root = mkdtempSync(join(tmpdir(), 'kiln-git-'));
    const server = new GitServer(root);
    // The parts of a bare repository that git needs.
    for (const name of ['objects', 'refs/heads']) mkdirSync(join(server.#repository, name), { recursive: true });
    writeFileSync(join(server.#repository, 'HEAD'), 'ref: refs/heads/main\n');
    writeFileSync(join(server.#repository, 'config'), CONFIG);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Returns a URL. `/private/app.git` is the same repository, but requires the token. */
  url(path = '/app.git'): string {
    return this.origin + path;
  }

  /**
   * Commits files to a branch, some of which may be links; null removes one. Returns the commit.
   * @param from branch whose last commit becomes the parent. Default: the last commit of any branch
   */
  commit(
    files: Readonly<Record<string, string | null | { readonly link: string }>>,
    branch = 'main',
    from?: string,
  ): string {
    this.#commits += 1;
    const parent = from === undefined ? this.#last : `refs/heads/${from}^0`;
    const lines = [
      `commit refs/heads/${branch}\nmark :1`,
      // Each commit is a second later than the one before.
      `committer t <t@example.org> ${FIRST_COMMIT_AT + this.#commits} +0000\ndata 6\nchange`,
      ...(parent === undefined ? [] : [`from ${parent}`]),
      ...Object.entries(files).map(([path, file]) => {
        if (file === null) return `D ${path}`;
        const [mode, text] = typeof file === 'string' ? ['100644', file] : ['120000', file.link];
        return `M ${mode} inline ${path}\ndata ${Buffer.byteLength(text)}\n${text}`;
      }),
      'get-mark :1\n',
    ];
    const args = ['--git-dir', this.#repository, 'fast-import', '--quiet', '--force'];
    this.#last = execFileSync('git', args, { input: lines.join('\n'), encoding: 'utf8' }).trim();
    return this.#last;
  }

  /** Commits what `files` says in the format of git fast-import: `M 100755 inline run\ndata 2\nx`. Returns the commit. */
  commitRaw(...files: readonly (string | Buffer)[]): string {
    this.#commits += 1;
    const head = `commit refs/heads/main\nmark :1\ncommitter t <t@example.org> ${FIRST_COMMIT_AT + this.#commits} +0000\ndata 6\nchange\n`;
    const from = this.#last === undefined ? '' : `from ${this.#last}\n`;
    const args = ['--git-dir', this.#repository, 'fast-import', '--quiet', '--force'];
    const input = Buffer.concat([head + from, ...files, 'get-mark :1\n'].map((part) => Buffer.from(part as string)));
    this.#last = execFileSync('git', args, { input, encoding: 'utf8' }).trim();
    return this.#last;
  }

  /** Commits a tree of any entries, also of those that git itself refuses to make: names such as `..`, or the same name twice. Returns the commit. */
  commitOdd(entries: readonly OddEntry[]): string {
    const commit = this.#git(
      '-c',
      'user.name=t',
      '-c',
      'user.email=t@example.org',
      'commit-tree',
      '-m',
      'odd',
      this.#oddTree(entries),
    );
    this.ref('refs/heads/main', commit);
    this.#last = commit;
    return commit;
  }

  #oddTree(entries: readonly OddEntry[]): string {
    const raw = entries.map(({ mode, name, content }) => {
      const id = typeof content === 'string' ? this.#object('blob', content) : this.#oddTree(content);
      return Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]);
    });
    return this.#object('tree', Buffer.concat(raw));
  }

  #object(type: 'blob' | 'tree', content: string | Buffer): string {
    const args = ['--git-dir', this.#repository, 'hash-object', '-t', type, '-w', '--literally', '--stdin'];
    return execFileSync('git', args, { input: content, encoding: 'utf8' }).trim();
  }

  /** Creates a tag or branch at a commit, by its full name: `refs/tags/v1`. */
  ref(name: string, commit: string): void {
    this.#git('update-ref', name, commit);
  }

  /** Removes a tag or branch, by its full name. */
  drop(name: string): void {
    this.#git('update-ref', '-d', name);
  }

  /** Creates an annotated tag; returns the id of its object, which isn't the commit's. */
  annotate(tag: string, commit: string): string {
    const by = ['-c', 'user.name=t', '-c', 'user.email=t@example.org'];
    this.#git(...by, 'tag', '--annotate', '--message', tag, tag, commit);
    return this.#git('rev-parse', `refs/tags/${tag}`);
  }

  /** Directory that contains `app.git`. */
  get root(): string {
    return this.#root;
  }

  #git(...args: readonly string[]): string {
    const env = { PATH: process.env.PATH ?? '', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
    return execFileSync('git', ['--git-dir', this.#repository, ...args], { encoding: 'utf8', env }).trim();
  }

  get #repository(): string {
    return join(this.#root, 'app.git');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#root, { recursive: true, force: true });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { authorization, host } = request.headers;
    this.seen.push({ path: new URL(request.url ?? '/', 'http://git').pathname, host, authorization });
    if (this.instead) this.instead(request, response);
    else this.answer(request, response);
  }

  /** Answers a request like the server itself. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    const { authorization } = request.headers;
    const url = new URL(request.url ?? '/', 'http://git');
    const given = Buffer.from(authorization?.replace(/^basic /i, '') ?? '', 'base64').toString();
    if (url.pathname.startsWith('/private/') && !given.endsWith(`:${this.token}`)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
      return;
    }
    void answer(this.#root, url, request, response);
  }
}

async function answer(root: string, url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
  backendPath ??= join(execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).trim(), 'git-http-backend');
  const backend = spawn(backendPath, {
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
