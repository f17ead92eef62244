import { buildSpec } from '@kiln/contracts';
import { expect, test } from 'vitest';
import type { DomainRequest, Executor } from '../engine/executor.ts';
import type { EndedAttempt } from './cache-reporter.ts';
import { reportingCaches } from './report-caches.ts';

test('what a builder of its own did says nothing about the host’s caches', async () => {
  const ended: string[] = [];
  const executor = { run: async () => ({ end: 'succeeded' }) } as unknown as Executor;
  const caches = { isWarm: () => undefined, attemptEnded: ({ repo }: EndedAttempt) => void ended.push(repo) };
  const reporting = reportingCaches(executor, caches, () => 1);
  for (const mode of ['warm', 'registry', 'archive', 'fresh'] as const) {
    const source = { type: 'upload', name: 'app' } as const;
    const spec = buildSpec.parse({ source, secrets: [], cache: { mode } });
    await reporting.run({ repo: mode, spec, trust: 'trusted' } as DomainRequest, new AbortController().signal);
  }
  expect(ended).toEqual(['warm']);
});
