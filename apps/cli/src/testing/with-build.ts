import type { LogRecord } from '@kiln/contracts';
import type { Digest } from '@kiln/trees';
import { afterEach, beforeEach } from 'vitest';
import type { Seen } from './fake-api.ts';
import type { FakeIo, FakeIoOptions } from './fake-io.ts';
import type { StoredEntry } from './part-store.ts';
import { runIn } from './run.ts';
import { TempDir } from './temp-dir.ts';
import { type FakeApiCli, withFakeApi } from './with-fake-api.ts';

export interface BuildCli extends FakeApiCli {
  /** The build context of the current test: a Dockerfile and `src/a`. */
  readonly dir: TempDir;
  /** Writes the log of a successful build with one step, and ends the build. */
  readonly succeed: (result?: object) => void;
  /** Returns the accepted request and its context. */
  readonly submitted: () => Promise<Submitted>;
  /** Returns a request that was submitted with a tar. */
  readonly piped: () => Promise<Multipart>;
}

export interface Submitted {
  readonly request: Record<string, unknown>;
  readonly entries: StoredEntry[];
}

export interface Multipart {
  readonly request: Record<string, unknown>;
  readonly context: Buffer;
  readonly contextType: string;
}

/** Gives each test of the file a fake API and a build context, in which command lines run. */
export function withBuild(): BuildCli {
  const cli = withFakeApi();
  let dir: TempDir;
  beforeEach(async () => {
    dir = await TempDir.with({ Dockerfile: 'FROM x\nRUN make\n', 'src/a': 'A' });
  });
  afterEach(() => dir[Symbol.asyncDispose]());
  const io = (options: FakeIoOptions = {}): FakeIo => cli.io({ cwd: dir.path, ...options });
  return {
    get api() {
      return cli.api;
    },
    get dir() {
      return dir;
    },
    io,
    run: (line, options) => runIn(io(options), line),
    succeed: (result = {}) => {
      cli.api.log(step({}));
      cli.api.log({ t: 1_500, type: 'output', step: 1, stream: 'stdout', data: 'hello\n' });
      cli.api.log(step({ t: 2_000, state: 'completed', ms: 1_000 }));
      cli.api.end('succeeded', undefined, result);
    },
    submitted: async () => {
      const seen = cli.api.seen.findLast(({ method, path }) => method === 'POST' && path === '/v1/builds');
      if (!seen) throw new Error('nothing was submitted');
      const request = JSON.parse(seen.body.toString()) as Submitted['request'] & { source: { digest: Digest } };
      return { request, entries: await cli.api.trees.list(request.source.digest) };
    },
    piped: async () => {
      const seen = cli.api.seen.findLast(({ method, path }) => method === 'POST' && path === '/v1/builds');
      if (!seen) throw new Error('nothing was submitted');
      return multipart(seen);
    },
  };
}

/** A record of the build's only step. */
export function step(change: Partial<Extract<LogRecord, { type: 'step' }>>): LogRecord {
  return { t: 1_000, type: 'step', step: 1, name: '[2/2] RUN make', state: 'started', ...change };
}

function multipart({ headers, body }: Seen): Multipart {
  const boundary = /boundary=(.+)$/.exec(String(headers['content-type']))?.[1];
  const [, request = '', context = ''] = body.toString('latin1').split(`--${boundary}`);
  const content = (part: string) => part.slice(part.indexOf('\r\n\r\n') + 4, -2);
  return {
    request: JSON.parse(Buffer.from(content(request), 'latin1').toString()),
    context: Buffer.from(content(context), 'latin1'),
    contextType: /Content-Type: (\S+)/.exec(context)?.[1] ?? '',
  };
}
