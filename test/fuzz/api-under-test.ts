import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { API_DEFAULTS, startApi } from '@kiln/api';
import { FsBlobStore } from '@kiln/blobs';
import { limitDefaults } from '@kiln/domain';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { openState } from '@kiln/state';
import { TestRedis } from '@kiln/state/testing';

/** What the generators know about the API: valid credentials, and ids that exist. */
export interface Known {
  readonly port: number;
  readonly tokens: readonly string[];
  readonly builds: readonly string[];
  /** Log lines of requests that failed by a fault of Kiln itself. */
  readonly faults: readonly string[];
}

export interface ApiUnderTest extends Known, AsyncDisposable {}

const ADMIN = 'an-admin-token';
const JOIN = 'a-join-token';

/** Starts an API in this process, so that an uncaught error ends the run. It has its own Redis. */
export async function startApiUnderTest(): Promise<ApiUnderTest> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await TestRedis.start());
  const secretKey = Buffer.alloc(32, 1);
  const state = stack.use(await openState({ redisUrl: redis.url, namespace: 'fuzz', secretKey, onError: () => {} }));
  const dir = stack.adopt(await mkdtemp(join(tmpdir(), 'kiln-fuzz-')), (path) => rm(path, { recursive: true }));
  const outgoing = stack.use(
    new OutgoingGuard(NO_ALLOWED_HOSTS, async () => [{ address: '93.184.216.34', family: 4 }]),
  );
  const faults: string[] = [];
  const log = createLogger({
    app: 'fuzz',
    level: 'error',
    destination: { write: (line: string) => void faults.push(line) },
  });
  const grant = { redisUrl: redis.url, namespace: 'fuzz', secretKey: secretKey.toString('base64') };
  const limits = limitDefaults({ eachTeam: { queuedBuilds: 100 }, eachToken: { requestsPerMinute: 'unlimited' } });
  const times = { cancelWaitMs: 20, uploadIdleMs: 500, bodyTimeoutMs: 500, closeTimeoutMs: 500 };
  const config = { ...API_DEFAULTS, ...times, limits, port: 0, tokens: [ADMIN], join: { tokens: [JOIN], ...grant } };
  const api = stack.adopt(await startApi(config, { ...state, outgoing, blobs: new FsBlobStore(dir), log }), (running) =>
    running.close(),
  );
  const submitted = await fetch(`${api.url}/v1/builds`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ source: { type: 'git', url: 'https://git.example/app' } }),
  });
  const { id } = (await submitted.json()) as { id: string };
  const held = stack.move();
  return {
    port: api.port,
    tokens: [ADMIN, ADMIN, ADMIN, JOIN],
    builds: [id],
    faults,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
