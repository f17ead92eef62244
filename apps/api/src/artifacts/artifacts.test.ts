import { artifactKey } from '@kiln/contracts';
import { describe, expect, test } from 'vitest';
import { apiForFile, redisForFile } from '../testing/for-file.ts';

const redis = await redisForFile();
const api = await apiForFile({}, { redis });

describe('an artifact', () => {
  const put = (name: string, body: string) =>
    api.fetch(`/v1/artifacts/${name}`, { method: 'PUT', body, headers: { 'content-type': 'application/x-tar' } });

  test('is stored by the live attempt, and can be downloaded when the build has succeeded', async () => {
    const { id } = await api.submit({ output: { type: 'artifact' } });
    const none = await api.fetch(`/v1/builds/${id}/artifact`);
    expect(await none.json()).toMatchObject({ status: 404, code: 'artifact_not_found' });
    const attempt = await api.run(id);
    const stored = await put(`${id}-1`, 'a tar');
    expect(stored.status).toBe(201);
    const artifact = (await stored.json()) as { digest: string; sizeBytes: number };
    expect(artifact.sizeBytes).toBe(5);
    await attempt.settle({ end: 'succeeded', result: { artifact } });
    expect((await api.view(id)).links.artifact).toBe(`/v1/builds/${id}/artifact`);
    const got = await api.fetch(`/v1/builds/${id}/artifact`);
    expect(await got.text()).toBe('a tar');
    expect(got.headers.get('content-disposition')).toBe(`attachment; filename="${id}.tar"`);
    await api.blobs.delete(artifactKey(id, 1));
    expect((await api.fetch(`/v1/builds/${id}/artifact`)).status).toBe(404);
  });

  test('of a stale attempt is refused', async () => {
    const { id } = await api.submit({ output: { type: 'artifact' } });
    const attempt = await api.run(id);
    await attempt.lose();
    await api.run(id);
    const answer = await put(`${id}-1`, 'stale');
    expect(await answer.json()).toMatchObject({ status: 409, code: 'already_finished' });
    expect(await api.blobs.stat(artifactKey(id, 1))).toBeUndefined();
    expect((await put(`${id}-2`, 'live')).status).toBe(201);
  });
});
