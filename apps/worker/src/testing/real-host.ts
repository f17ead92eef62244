import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Builder } from '@kiln/buildkit';
import { IMAGES, type PrivateEngine, startPrivateEngine } from '@kiln/buildkit/testing';
import { createLogger } from '@kiln/runtime';
import { TestRedis } from '@kiln/state/testing';
import type { WorkerDeps, WorkerOptions } from '../worker-options.ts';
import { fixedExecutors } from './fixed-executors.ts';
import { TestHost } from './test-host.ts';

/** A pool whose host h1 builds with an engine of its own. */
export interface RealHost extends AsyncDisposable {
  readonly pool: TestHost;
  readonly builder: Builder;
  readonly engine: PrivateEngine;
}

/**
 * Starts a pool and the worker of its host. What a build used is derived from what it left in the caches, so nothing else builds on the engine.
 * @param instance of the builder
 */
export async function startRealHost(
  instance: string,
  options: Partial<WorkerOptions>,
  deps: Partial<WorkerDeps>,
): Promise<RealHost> {
  await using made = new AsyncDisposableStack();
  const engine = made.use(await startPrivateEngine([IMAGES.tool, IMAGES.debian]));
  const scratchDir = join(engine.dir, 'scratch');
  await mkdir(scratchDir);
  const redis = made.use(await TestRedis.start());
  const pool = made.use(await TestHost.open(redis.url));
  const builder = await Builder.start({
    ...{ hostName: 'h1', instance, scratchDir, driver: 'docker', toolImage: IMAGES.tool, buildkitImage: 'none' },
    ...{ dockerSocket: engine.socket, engineSocketPath: engine.innerSocket },
    log: createLogger({ app: 'test', level: 'silent' }),
  });
  made.defer(() => builder.close());
  made.defer(() => pool.stop());
  await pool.start(
    { leaseTtlMs: 30_000, fenceMarginMs: 5_000, ledgerFile: join(engine.dir, 'layers.json'), ...options },
    { executors: fixedExecutors([builder]), ...deps },
  );
  const all = made.move();
  return { pool, builder, engine, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
