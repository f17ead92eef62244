import { gzipSync } from 'node:zlib';
import type { BuildView } from '@kiln/contracts';
import { climbingLinks, rawTar, treeOf, twofoldTar } from '@kiln/trees/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { type Packed, tarOf } from '../testing/pack.ts';
import { PATIENT } from '../testing/patient.ts';
import { TestApi } from '../testing/test-api.ts';
import { expectRefusal, type Part, REQUEST_PART, UPLOAD, uploadTo } from '../testing/upload-form.ts';

const redis = await redisForFile();
let api: TestApi;
afterEach(async () => {
  // However the uploads ended, none leaves a temporary file.
  await vi.waitFor(async () => expect(await api.temps()).toEqual([]), PATIENT);
  await api[Symbol.asyncDispose]();
});

const start = async (config: Parameters<typeof TestApi.start>[0] = {}) => {
  api = await TestApi.start(config, { redis });
};
const stored = () => Array.fromAsync(api.blobs.list('trees'), ({ key }) => key);

describe('a good context', () => {
  test.each(['after its request', 'before its request', 'gzipped'])(
    'is stored by its digest, whether sent %s',
    async (how) => {
      await start();
      const tar = await tarOf('Dockerfile', 'src/main.c');
      const context = how === 'gzipped' ? gzipSync(tar) : tar;
      const parts: Part[] = [REQUEST_PART, ['context', context]];
      const answer = await uploadTo(api, ...(how === 'before its request' ? parts.reverse() : parts));
      expect(answer.status).toBe(202);
      const { root } = treeOf({
        Dockerfile: 'content of Dockerfile',
        src: { in: { 'main.c': 'content of src/main.c' } },
      });
      expect((await answer.json()) as BuildView).toMatchObject({
        repo: 'app',
        request: { source: { type: 'upload', digest: root } },
      });
      expect(await api.trees.tree('default', root)).toMatchObject({ entries: 3 });
      // The contents, the tree, and the times of its directories.
      expect(await stored()).toHaveLength(3);
      const [entry, ...others] = await Array.fromAsync(api.state.storage.entries());
      expect(others).toEqual([]);
      expect(entry).toMatchObject({ key: 'trees/default', teams: ['default'] });
      const sizes = await Array.fromAsync(api.blobs.list('trees'), ({ sizeBytes }) => sizeBytes);
      expect(entry?.sizeBytes).toBe(sizes.reduce((sum, bytes) => sum + bytes, 0));
    },
  );

  test('may be sent by a browser’s or fetch’s own form', async () => {
    await start();
    const form = new FormData();
    form.set('request', JSON.stringify(UPLOAD));
    form.set('context', new Blob([new Uint8Array(await tarOf('Dockerfile'))]), 'context.tar');
    expect((await api.fetch('/v1/builds', { method: 'POST', body: form })).status).toBe(202);
  });

  test('may contain links that lead out, which stay links', async () => {
    await start();
    const links: Packed[] = [
      { name: 'abs', type: 'symlink', linkname: '/etc/passwd' },
      { name: 'rootfs/up', type: 'symlink', linkname: '../../../etc' },
    ];
    const answer = await uploadTo(api, REQUEST_PART, ['context', await tarOf('Dockerfile', ...links)]);
    expect(answer.status).toBe(202);
  });

  test('may be named by a later build as long as it is stored', async () => {
    await start();
    const view = (await (
      await uploadTo(api, REQUEST_PART, ['context', await tarOf('Dockerfile')])
    ).json()) as BuildView;
    const { source } = view.request;
    expect((await api.post('/v1/builds', { source })).status).toBe(202);
    const gone = { ...source, digest: `sha256:${'0'.repeat(64)}` };
    const answer = await api.post('/v1/builds', { source: gone });
    expect(await answer.json()).toMatchObject({ code: 'context_not_found', errors: [{ field: 'source.digest' }] });
  });
});

describe('a bad context', () => {
  test.each<[string, Packed]>([
    ['../escape', { name: '../escape' }],
    ['/etc/passwd', { name: '/etc/passwd' }],
    ['hard', { name: 'hard', type: 'link', linkname: '../secret' }],
    ['dev', { name: 'dev', type: 'character-device' }],
    ['blk', { name: 'blk', type: 'block-device' }],
    ['pipe', { name: 'pipe', type: 'fifo' }],
    ['missing', { name: 'missing', type: 'link', linkname: 'nowhere' }],
    ['Dockerfile/x', { name: 'Dockerfile/x' }],
  ])('with the entry %s is refused, naming the entry', async (name, entry) => {
    await start();
    const answer = await uploadTo(api, REQUEST_PART, ['context', gzipSync(await tarOf('Dockerfile', entry))]);
    const { errors } = await expectRefusal(api, answer, 422, 'context_invalid');
    expect(errors[0]?.field).toBe(/^[a-z]+$/.test(name) ? `context.${name}` : `context["${name}"]`);
    expect(await stored()).toEqual([]);
  });

  test('with an entry name over 4 KiB is refused, shortening the name', async () => {
    await start();
    const answer = await uploadTo(api, REQUEST_PART, [
      'context',
      await tarOf({ name: `${'n'.repeat(200)}/`.repeat(25), type: 'directory' }),
    ]);
    const { errors } = await expectRefusal(api, answer, 422, 'context_invalid');
    expect(errors[0]).toMatchObject({ got: expect.stringContaining('a name of'), expected: 'at most 4095 bytes' });
    expect(errors[0]?.field.length).toBeLessThan(200);
  });

  test('that two readers would read differently is refused', async () => {
    await start();
    const links = climbingLinks(3, 'docker');
    const tar = twofoldTar(links, [{ name: 'Dockerfile', content: 'FROM scratch' }]);
    for (const context of [tar, gzipSync(tar)]) {
      const answer = await uploadTo(api, REQUEST_PART, ['context', context]);
      const { errors } = await expectRefusal(api, answer, 422, 'context_invalid');
      expect(errors[0]).toMatchObject({ field: 'context', got: expect.stringContaining('a line end in "comment"') });
    }
    expect(await stored()).toEqual([]);
  });

  test('whose Dockerfile is outside of it is refused', async () => {
    await start();
    const request = JSON.stringify({ ...UPLOAD, dockerfile: 'sub/config.json' });
    const answer = await uploadTo(api, ['request', request], ['context', rawTar(...climbingLinks(3, 'docker'))]);
    const { errors } = await expectRefusal(api, answer, 422, 'context_invalid');
    expect(errors).toEqual([
      {
        field: 'context["sub/config.json"]',
        got: expect.stringMatching(/^a path through the symbolic link ".*" that leads out of the context$/),
        expected: 'a file inside the context',
      },
    ]);
  });

  test('that is not a tar is refused', async () => {
    await start();
    await expectRefusal(
      api,
      await uploadTo(api, REQUEST_PART, ['context', 'PK\x03\x04 a zip, say'.repeat(100)]),
      422,
      'context_invalid',
    );
    await expectRefusal(api, await uploadTo(api, REQUEST_PART, ['context', '']), 422, 'context_invalid');
  });

  test('without the Dockerfile is refused', async () => {
    await start();
    const answer = await uploadTo(
      api,
      ['request', JSON.stringify({ ...UPLOAD, dockerfile: 'docker/Dockerfile' })],
      ['context', await tarOf('Dockerfile')],
    );
    const { errors } = await expectRefusal(api, answer, 422, 'context_invalid');
    expect(errors[0]).toMatchObject({ field: 'dockerfile', got: 'docker/Dockerfile' });
  });

  test('with another digest than in the request is refused', async () => {
    await start();
    const source = { ...UPLOAD.source, digest: `sha256:${'0'.repeat(64)}` };
    const answer = await uploadTo(api, ['request', JSON.stringify({ source })], ['context', await tarOf('Dockerfile')]);
    expect((await expectRefusal(api, answer, 422, 'context_invalid')).errors[0]?.field).toBe('source.digest');
  });

  test('that is larger than allowed is refused', async () => {
    await start({ maxContextBytes: 10_000 });
    const answer = await uploadTo(api, REQUEST_PART, ['context', Buffer.alloc(2_000_000)]);
    await expectRefusal(api, answer, 413, 'body_too_large');
  });

  test('that is a gzip bomb is refused', async () => {
    await start({ maxUnpackedContextBytes: 10_000_000 });
    const tar = await tarOf('Dockerfile');
    const bomb = gzipSync(Buffer.concat([Buffer.alloc(200_000_000), tar]), { level: 9 });
    const { detail } = await expectRefusal(
      api,
      await uploadTo(api, REQUEST_PART, ['context', bomb]),
      422,
      'context_invalid',
    );
    expect(detail).toContain('10000000 bytes when unpacked');
  });
});
