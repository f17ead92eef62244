import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { engine, removeImages } from '../testing/lab.ts';
import { startPrivateEngine } from '../testing/private-engine.ts';
import { tar } from '../testing/tar.ts';
import { EngineArchives } from './engine-archives.ts';

const run = promisify(execFile);

test('saves an image of an engine with the classic image store so that each kind of engine loads it with its names', async () => {
  await using own = await startPrivateEngine([], { classicStore: true });
  const archives = new EngineArchives(own.engine, 'kiln-lab');
  const image = 'kiln.local/archive/kiln-lab:1';
  const context = `${own.dir}/context.tar`;
  await writeFile(context, tar({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' }));
  const env = { ...process.env, DOCKER_HOST: `unix://${own.socket}` };
  await run('sh', ['-c', `docker buildx build --load --tag=${image} - < ${context}`], { env });
  const name = `kiln.local/archived-${randomUUID()}`;
  const names = [`${name}:1`, `${name}:2`];
  onTestFinished(() => removeImages(names));
  const tagsIn = async (of: typeof engine) => (await of.listImages()).flatMap(({ RepoTags }) => RepoTags ?? []);
  expect(await tagsIn(own.engine)).toEqual([image]);

  const archive = await buffer(archives.save(image, names, new AbortController().signal));
  await archives.clear();
  expect(await tagsIn(own.engine)).toEqual([]);
  for (const into of [own.engine, engine]) {
    const said = await buffer((await into.loadImage(Readable.from([archive]))) as Readable);
    expect(said.toString()).toContain(`Loaded image: ${names[1]}`);
    expect(await tagsIn(into)).toEqual(expect.arrayContaining(names));
  }
  expect((await tagsIn(own.engine)).sort()).toEqual(names);
}, 180_000);
