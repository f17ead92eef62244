import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '@kiln/trees';
import { expect, onTestFinished, test } from 'vitest';
import { chatting } from '../support/dockerfiles.ts';
import { FollowedLog } from '../support/followed-log.ts';
import { KilnCommand } from '../support/kiln-command.ts';
import { expectNumbered, expectWhole } from '../support/logs.ts';
import { sharedPool } from '../support/pool/start-pool.ts';
import { Relay } from '../support/relay.ts';
import { until } from '../support/until.ts';

const thePool = sharedPool(() => ({ apis: 2 }));

test('a build survives its API: a client that follows the log gets the rest of it, and one that waits gets the end', async () => {
  const pool = thePool();
  const build = await pool.hang(chatting);
  const followed = new FollowedLog(pool.client, build.id);
  const waiting = pool.client.waitForEnd(build.id);
  await followed.receivesMore(0);
  await pool.kill('api', '1');
  const before = followed.records.length;
  await pool.start('api', '1');
  await followed.receivesMore(before);
  await build.release();
  expect(await waiting).toMatchObject({ state: 'succeeded', attempts: [{ end: 'succeeded' }] });
  await followed.ended;
  expect(followed.reconnects.length).toBeGreaterThan(0);
  expectWhole(followed.records, 1);
  expectNumbered(followed.records);
  // What was followed across the restart is what is kept.
  expect(followed.records).toEqual(await pool.log(build.id));
});

test('with two API processes, only the clients of one notice its death', async () => {
  const pool = thePool();
  const build = await pool.hang(chatting);
  const other = pool.clientOf('2');
  const followed = new FollowedLog(other, build.id);
  await pool.kill('api', '1');
  await followed.receivesMore();
  await build.release();
  expect(await other.waitForEnd(build.id)).toMatchObject({ state: 'succeeded' });
  await followed.ended;
  expect(followed.reconnects).toEqual([]);
  expectWhole(followed.records, 1);
  expectNumbered(followed.records);
});

test('an upload survives its API: kiln build goes on with what the API had not stored, and the build succeeds', async () => {
  const pool = thePool();
  const dir = await mkdtemp(join(tmpdir(), 'kiln-upload-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const context = join(dir, 'context');
  await mkdir(context);
  await writeFile(join(context, 'Dockerfile'), 'FROM scratch\nCOPY . /\n');
  const [fileBytes, count, stored] = [2 ** 20, 24, 8];
  const files = Array.from({ length: count }, () => randomBytes(fileBytes));
  for (const [i, content] of files.entries()) await writeFile(join(context, `f${i}`), content);
  await using relay = await Relay.start(pool.clientOf('1').url, (stored + 1) * fileBytes);
  const kiln = await KilnCommand.of(pool, join(dir, 'home'), relay.url);

  const building = kiln.run('build', '--repo', 'killed-upload', context);
  building.catch(() => {});
  // The other process shares the store, and asking it changes nothing for this one.
  const lacking = async () => (await pool.clientOf('2').missingTreeParts({ files: files.map(digestOf) })).files.length;
  await until('the API has stored some files', async () => (await lacking()) <= count - stored, 30_000);
  await pool.kill('api', '1');
  const left = await lacking();
  expect(left).toBeGreaterThan(count / 2);
  const before = relay.sentBytes;
  relay.hurry();
  await pool.start('api', '1');
  expect((await building).stderr).toContain(`${count + 1} files`);
  expect(await lacking()).toBe(0);
  expect(relay.sentBytes - before).toBeGreaterThan(left * fileBytes);
  expect(relay.sentBytes - before).toBeLessThan((left + 1) * fileBytes);
});
