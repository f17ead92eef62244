import { TestRedis } from '@kiln/state/testing';
import { afterAll } from 'vitest';
import { TestApi } from './test-api.ts';

/** Starts a Redis for all tests of a file. Must be called at the file's top level. */
export async function redisForFile(): Promise<TestRedis> {
  const redis = await TestRedis.start();
  afterAll(() => redis[Symbol.asyncDispose]());
  return redis;
}

/** Starts an API for all tests of a file. Must be called at the file's top level. */
export async function apiForFile(...[config, given]: Parameters<typeof TestApi.start>): Promise<TestApi> {
  const api = await TestApi.start(config, given);
  afterAll(() => api[Symbol.asyncDispose]());
  return api;
}
