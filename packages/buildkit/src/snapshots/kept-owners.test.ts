import type { MountOwner } from '@kiln/domain';
import { expect, test } from 'vitest';
import type { UsageRecord } from '../control/control-messages.ts';
import { InventoryReader } from '../control/inventory.ts';
import { missingOwners } from './kept-owners.ts';

const KEPT = 'mount / from exec /bin/sh -c : kiln-kept-owners';
const own: MountOwner = { uid: 1000, gid: 0, mode: 0o755 };
const other: MountOwner = { uid: 0, gid: 5, mode: 0o1700 };

function record(type: string, description: string): UsageRecord {
  const times = { createdAt: 1, lastUsedAt: 1 };
  return { id: description, type, description, bytes: 1, inUse: false, shared: false, parents: [], ...times };
}

const mount = (id: string) => record('exec.cachemount', `cached mount /c from exec make with id "${id}"`);
const owners = (...known: (readonly [string, MountOwner])[]) => new Map(known);

test('misses each combination of owner and mode once that a mount has and no kept layer depends on', () => {
  const records = [mount('ns/a'), mount('ns/b'), mount('ns/c')];
  const known = owners(['ns/a', own], ['ns/b', other], ['ns/c', own], ['ns/gone', { ...own, uid: 7 }]);
  expect(missingOwners(records, known)).toEqual([own, other]);
  expect(missingOwners([...records, record('regular', `${KEPT} 0:5:1700`)], known)).toEqual([own]);
  expect(missingOwners([...records, record('regular', `${KEPT} 0:5:1700 1000:0:755`)], known)).toEqual([]);
});

test('is not led to believe by the mount of a kept layer’s own step that its layer is there', () => {
  const own1 = record('exec.cachemount', 'cached mount /kiln/0 from exec /bin/sh -c : kiln-kept-owners 1000:0:755');
  expect(missingOwners([mount('ns/a'), own1], owners(['ns/a', own]))).toEqual([own]);
});

test('keeps the combinations that builds used last if there are very many', () => {
  const ids = Array.from({ length: 100 }, (_, i) => `ns/${i}`);
  const known = owners(...ids.map((id, uid) => [id, { ...own, uid }] as const));
  expect(missingOwners(ids.map(mount), known).map(({ uid }) => uid)).toEqual(ids.slice(36).map((_, i) => i + 36));
});

test('an inventory has no kept layers, so that no eviction chooses them', () => {
  const records = [
    record('regular', `${KEPT} 1000:0:755`),
    record('regular', '[root-kiln-kept-owners 1/1] COPY --from=kiln-kept-owners root/ kept /'),
    record('regular', '[2/2] RUN make'),
  ];
  const { layers, usedBytes } = new InventoryReader(false).read(records, 1);
  expect(layers.map(({ id }) => id)).toEqual(['[2/2] RUN make']);
  expect(usedBytes).toBe(3);
});
