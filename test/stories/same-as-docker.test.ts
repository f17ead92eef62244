import { removeImages } from '@kiln/buildkit/testing';
import { afterAll, describe } from 'vitest';
import { sharedPool } from '../support/pool/start-pool.ts';
import { bakeStories } from './same-as-docker/bake.ts';
import { ciStories } from './same-as-docker/ci.ts';
import { contextStories } from './same-as-docker/contexts.ts';
import { flagStories } from './same-as-docker/flags.ts';
import { freshCloneStories } from './same-as-docker/fresh-clones.ts';
import { pipelineStories } from './same-as-docker/pipelines.ts';
import { resultStories } from './same-as-docker/results.ts';

// These stories are in one file because they share the pool: it takes several seconds of CPU time to start and to stop.
const LOOPBACK = { KILN_ALLOWED_HOSTS: 'loopback' };
const pool = sharedPool(() => ({
  env: { api: LOOPBACK, worker: { ...LOOPBACK, KILN_ENTITLEMENTS: 'network.host' } },
}));
const images = new Set<string>();
afterAll(() => removeImages([...images]));
const lab = { pool, images };

describe('kiln bake and docker buildx bake', () => bakeStories(lab));
describe('contexts of kiln build and docker buildx build', () => contextStories(lab));
describe('flags of kiln build and docker buildx build', () => flagStories(lab));
describe('results of kiln build and docker buildx build', () => resultStories(lab));
describe('fresh clones', () => freshCloneStories(lab));
describe('pipelines for docker', () => pipelineStories(lab));
describe('infra/ci', () => ciStories(lab));
