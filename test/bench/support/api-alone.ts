import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@kiln/runtime/testing';
import { TestRedis } from '@kiln/state/testing';
import { startProcess } from './separate-pool.ts';

export interface ApiAlone extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** Path of the socket of its Redis. */
  readonly redisPath: string;
}

/** Starts one API process, without scheduler or workers. It has its own Redis and blob directory unless they are `given`. */
export async function apiAlone(
  more: Readonly<Record<string, string>>,
  given: { readonly redis?: TestRedis; readonly blobDir?: string } = {},
): Promise<ApiAlone> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const redis = given.redis ?? (await TestRedis.start());
  const port = await freePort();
  const token = 'bench-token';
  const child = await startProcess('api', {
    ...process.env,
    KILN_REDIS_URL: redis.url,
    KILN_SECRET_KEY: Buffer.alloc(32, 1).toString('base64'),
    KILN_TOKEN: token,
    KILN_PORT: String(port),
    KILN_BLOB_DIR: given.blobDir ?? join(dir, 'blobs'),
    ...more,
  });
  return {
    url: `http://127.0.0.1:${port}`,
    token,
    redisPath: redis.url.replace('unix://', ''),
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
      if (!given.redis) await redis[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
