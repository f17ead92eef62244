import { expect, test } from 'vitest';
import { FIRST_GUESS } from '../estimates/estimates.ts';
import type { PendingBuild } from '../model/model.ts';
import { HostTable } from './host-table.ts';
import { PoolRepo } from './pool-repo.ts';
import { WaitingList } from './waiting-list.ts';

const build = (id: string, weight = 1): PendingBuild => ({
  id,
  repo: 'app',
  team: 'default',
  priority: 'normal',
  queuedAt: 0,
  createdAt: 0,
  weight,
  platforms: [],
  hostLabels: {},
  trust: 'trusted',
  lostOn: [],
});

test('what was worked out for a class of builds is kept when the last of them has left, but not for ever', () => {
  const list = new WaitingList(new HostTable());
  const repo = new PoolRepo('app', FIRST_GUESS);
  const classOf = (id: string, weight?: number) => {
    const { hosts } = list.add(build(id, weight), repo).group;
    list.remove(id);
    return hosts;
  };
  const first = classOf('a');
  for (let weight = 2; weight <= 16; weight++) classOf(`b${weight}`, weight);
  expect(classOf('c')).toBe(first);
  // Used again, it is the last of those unused to go.
  for (let weight = 17; weight <= 31; weight++) classOf(`d${weight}`, weight);
  expect(classOf('e')).toBe(first);
  for (let weight = 32; weight <= 48; weight++) classOf(`f${weight}`, weight);
  expect(classOf('g')).not.toBe(first);
});
