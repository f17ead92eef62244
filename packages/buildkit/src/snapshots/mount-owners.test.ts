import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MountOwners } from './mount-owners.ts';

const owner = { uid: 1000, gid: 0, mode: 0o755 };

async function file(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-owners-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  return join(dir, 'sub', 'owners.json');
}

test('knows the owners of earlier processes, the mount that was used last at the end', async () => {
  const path = await file();
  const first = new MountOwners(path);
  await Promise.all([
    first.note('ns', new Map([['/a', owner]])),
    first.note('ns', new Map([['b', { ...owner, uid: 1 }]])),
  ]);
  await first.note('ns', new Map([['/a', { ...owner, mode: 0o700 }]]));
  expect([...(await new MountOwners(path).all())]).toEqual([
    ['ns/b', { ...owner, uid: 1 }],
    ['ns//a', { ...owner, mode: 0o700 }],
  ]);
});

test('forgets the mounts that were used longest ago when there are more than 1,000', async () => {
  const owners = new MountOwners(await file());
  await owners.note('ns', new Map(Array.from({ length: 1_001 }, (_, i) => [`${i}`, owner] as const)));
  expect([...(await owners.all()).keys()].slice(0, 1)).toEqual(['ns/1']);
});

test('starts anew from a file that can’t be read', async () => {
  const path = await file();
  await new MountOwners(path).note('ns', new Map([['/a', owner]]));
  await writeFile(path, '[["ns//a",{');
  const owners = new MountOwners(path);
  expect((await owners.all()).size).toBe(0);
  await owners.note('ns', new Map([['/b', owner]]));
  expect((await new MountOwners(path).all()).size).toBe(1);
});
