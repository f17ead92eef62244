import type { HostDetailView } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { warmthRows } from './warmth-rows.ts';

type Warm = NonNullable<HostDetailView['inventory']>['repos'][number];

function warm(repo: string, warmth: number, owner: Partial<Warm> = {}): Warm {
  return { repo, warmth, trust: 'trusted', bytes: 1, lastUsedAt: '2030-01-01T00:00:00Z', ...owner };
}

function host(name: string, repos: Warm[]): HostDetailView {
  return { name, inventory: { repos } } as Partial<HostDetailView> as HostDetailView;
}

test('lists repos by their warmth on all hosts, and keeps owners apart', () => {
  const rows = warmthRows([
    host('h1', [warm('a', 0.5), warm('b', 0.9, { team: 'web' }), warm('b', 0.1, { team: 'web', trust: 'untrusted' })]),
    host('h2', [warm('a', 0.6)]),
    { name: 'h3' } as HostDetailView,
  ]);
  expect(rows.map(({ repo, owner }) => [repo, owner])).toEqual([
    ['a', undefined],
    ['b', 'web'],
    ['b', 'web, untrusted'],
  ]);
  expect([...(rows[0]?.byHost ?? [])].map(([name, { warmth }]) => [name, warmth])).toEqual([
    ['h1', 0.5],
    ['h2', 0.6],
  ]);
});
