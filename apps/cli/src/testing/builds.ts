import { fakeBuild } from './fake-api.ts';

/** A time that fits the ages of the builds below. */
export const NOW = Date.parse('2026-01-02T03:14:05.000Z');

export const RUNNING = fakeBuild({
  id: '01kaqz6w5h0000000000aaaaaa',
  state: 'running',
  host: 'host-a',
  repo: 'github.com/acme/app',
  startedAt: '2026-01-02T03:13:05.000Z',
});

export const FAILED = fakeBuild({
  id: '01kaqz6w5h0000000000bbbbbb',
  state: 'failed',
  durationMs: 61_000,
  finishedAt: '2026-01-02T03:05:05.000Z',
});
