import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { TaskView } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { warmable } from '../../support/dockerfiles.ts';
import { KilnCommand } from '../../support/kiln-command.ts';
import { scenario } from '../../support/scenario/scenario.ts';
import type { Story } from '../../support/scenario/story.ts';
import type { HostsLab } from './lab.ts';

const COLD_SECONDS = 2;
/** Size of the file in the mount of `warmable`. */
const CACHED_BYTES = 30 * 1024 * 1024;
const POLL = { timeout: 60_000, interval: 100 };

/** Like `warmable`, with a second cache mount, whose RUN sets its owner and mode. Prints what that mount is, and its file. */
const owned = (text: string) =>
  warmable(text, COLD_SECONDS).replace(
    'FROM scratch',
    [
      'RUN --network=none --mount=type=cache,target=/owned,uid=1000,gid=2000,mode=0750 \\',
      '  [ -e /owned/f ] || { echo content > /owned/f; chown 5:6 /owned/f; chmod 640 /owned/f; echo built anew; }; \\',
      `  stat -c 'found %a %u:%g' /owned /owned/f; echo ${text} > /g`,
      'FROM scratch',
      'COPY --from=build /g /g',
    ].join('\n'),
  );

const on = (name: string) => ({ hostLabels: { name } });

/** Stories of caches that are saved on one host and filled on another, through the API: the workers reach no other store. */
export function snapshotStories({ pool }: HostsLab): void {
  test('the first build on a host that was seeded is warm, in the host’s inventory and in the build', async () => {
    await scenario(pool())
      .builds(owned)
      .submit('saved', on('a'))
      .expectEnd('saved', { state: 'succeeded', host: 'a' })
      .expectWarm('saved')
      .step('save the caches', async (story) => {
        const task = await done(story, await story.pool.client.saveCaches({ repo: 'saved' }));
        expect(task).toMatchObject({ host: 'a', state: 'succeeded', result: { mounts: 2, left: [] } });
        const snapshots = await story.pool.client.snapshots({ repo: 'saved' });
        expect(snapshots).toMatchObject([{ host: 'a', trust: 'trusted' }]);
        expect(snapshots[0]?.mounts.toSorted((one, other) => one.id.localeCompare(other.id))).toMatchObject([
          { id: '/cache', changed: false, entries: 1 },
          { id: '/owned', changed: false, entries: 1 },
        ]);
      })
      .step('seed host b', async (story) => {
        const { client } = story.pool;
        const seeded = await done(story, await client.seedCaches({ repo: 'saved', host: 'b' }));
        expect(seeded).toMatchObject({ state: 'succeeded', result: { seeded: { length: 2 }, kept: [] } });
        const again = await done(story, await client.seedCaches({ repo: 'saved', host: 'b' }));
        expect(again).toMatchObject({ state: 'succeeded', result: { seeded: [], kept: { length: 2 } } });
        const warmth = async () =>
          (await client.host('b')).inventory?.repos.find(({ repo }) => repo === 'saved')?.warmth ?? 0;
        await expect.poll(warmth, POLL).toBeGreaterThanOrEqual(0.75);
      })
      .submit('saved#2', on('b'))
      .expectBuilt('saved#2', { cache: 'warm', reason: 'warm', host: 'b' })
      .step('expect the owners and modes on host b', (story) => expectOwned(story, 'saved#2'))
      .run();
  });

  test('a snapshot goes through a file to another repo, and a damaged file changes nothing', async () => {
    await using dir = {
      path: await mkdtemp(join(tmpdir(), 'kiln-export-')),
      [Symbol.asyncDispose]: () => rm(dir.path, { recursive: true }),
    };
    const file = join(dir.path, 'app.kiln-cache');
    const command = await KilnCommand.of(pool(), join(dir.path, 'home'));
    const kiln = async (...args: string[]) => (await command.run(...args)).stdout;
    await scenario(pool())
      .step('export', async () => {
        expect(await kiln('snapshot', 'export', 'saved', file)).toContain(`${file}: snapshot `);
        const out = join(dir.path, 'out');
        const printed = await kiln('snapshot', 'export', 'saved', '--dir', out);
        for (const id of ['/cache', '/owned']) expect(printed).toContain(`1 entries of ${id}`);
        expect((await stat(join(out, 'cache', 'f'))).size).toBe(CACHED_BYTES);
        expect(await readFile(join(out, 'owned', 'f'), 'utf8')).toBe('content\n');
        // The files belong to the user who exports them.
        const { uid } = userInfo();
        const found = await Promise.all(['owned', 'owned/f'].map((path) => stat(join(out, path))));
        expect(found.map((one) => [one.uid, one.mode & 0o7777])).toEqual([
          [uid, 0o750],
          [uid, 0o640],
        ]);
      })
      .step('refuse damaged files', async (story) => {
        const whole = await readFile(file);
        const flipped = Buffer.from(whole);
        const at = Math.floor(whole.length / 2);
        flipped[at] = (flipped[at] as number) ^ 1;
        const newer = Buffer.from(whole.toString('latin1').replace('"format":1', '"format":7'), 'latin1');
        const damaged = join(dir.path, 'damaged');
        for (const [content, message] of [
          [whole.subarray(0, whole.length - 40), 'the file is cut short'],
          [whole.subarray(0, 30), 'the file is cut short'],
          [flipped, 'it is damaged'],
          [newer, 'format 7, made by a newer version of Kiln'],
          [Buffer.from('PK\x03\x04 something else entirely'), 'a file of another kind'],
        ] as const) {
          await writeFile(damaged, content);
          await expect(kiln('snapshot', 'import', damaged, '--repo', 'copy')).rejects.toThrow(message);
        }
        expect(await story.pool.client.snapshots({ repo: 'copy' })).toEqual([]);
        await expect(kiln('snapshot', 'create', 'never-built')).rejects.toThrow('never-built');
        await expect(kiln('snapshot', 'export', 'never-built', damaged)).rejects.toThrow('has no snapshot');
      })
      .step('import', async () => {
        expect(await kiln('snapshot', 'import', file, '--repo', 'copy')).toContain('snapshot of copy, 2 cache mounts');
        const seeded = await kiln('cache', 'seed', 'copy', '--host', 'c');
        expect(seeded).toContain('c: 2 cache mounts filled');
      })
      .builds(owned)
      .submit('copy', on('c'))
      .step('expect the copy’s first build to find the files', async (story) => {
        expect(await story.pool.end(story.build('copy').id)).toMatchObject({ state: 'succeeded', host: 'c' });
        expect(JSON.stringify(await story.pool.log(story.build('copy').id))).toContain('found the cache warm');
        await expectOwned(story, 'copy');
      })
      .run();
  });
}

/** Expects a build to have found the mount that an earlier one made. */
async function expectOwned(story: Story, build: string): Promise<void> {
  const log = JSON.stringify(await story.pool.log(story.build(build).id));
  for (const line of ['found 750 1000:2000', 'found 640 5:6']) expect(log).toContain(line);
  expect(log).not.toMatch(/"(?:data|text)":"built anew/);
}

async function done(story: Story, begun: TaskView): Promise<TaskView> {
  let last = begun;
  for await (const task of story.pool.client.watchTask(begun.id)) last = task;
  return last;
}
