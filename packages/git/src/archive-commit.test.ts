import { allowedHosts, OutgoingGuard } from '@kiln/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archiveCommit } from './archive-commit.ts';
import { GitServer } from './testing/git-server.ts';

const guard = new OutgoingGuard(allowedHosts.parse('loopback'));
const LIMITS = { timeoutMs: 20_000, maxFetchBytes: 8 * 1024 * 1024, guard };
const never = new AbortController().signal;
let server: GitServer;
let commit: string;

beforeAll(async () => {
  server = await GitServer.start();
  server.commit({
    'app/old.txt': 'of an older commit',
    'app/.gitattributes': 'hidden.txt export-ignore\n*.sub export-subst\n',
  });
  commit = server.commit({ 'app/hidden.txt': 'not hidden', 'app/x.sub': '$Format:%H$', 'other.txt': 'not below app' });
});
afterAll(() => server[Symbol.asyncDispose]());

/** The bytes of the archive as text: content is stored as it is. */
async function packed(subdir?: string, path = '/app.git', limits: object = {}): Promise<string> {
  const source = { url: server.url(path), ref: commit, credentials: { user: 'x', token: server.token } };
  await using archive = await archiveCommit(source, subdir, { ...LIMITS, ...limits }, never);
  return Buffer.concat(await Array.fromAsync(archive.tar() as AsyncIterable<Buffer>)).toString();
}

describe('archiveCommit', () => {
  test('packs all files of a commit, whatever its attributes say about archives', async () => {
    const text = await packed();
    for (const content of ['of an older commit', 'not hidden', '$Format:%H$', 'not below app']) {
      expect(text).toContain(content);
    }
  });

  test('packs only the files below a directory', async () => {
    const text = await packed('app');
    expect(text).toContain('not hidden');
    expect(text).not.toContain('not below app');
  });

  test('reads a private repository with credentials', async () => {
    expect(await packed('app', '/private/app.git')).toContain('not hidden');
  });

  test('fails with subdir_missing for a path that is not a directory', async () => {
    for (const path of ['nowhere', 'other.txt']) {
      await expect(packed(path)).rejects.toMatchObject({ fault: 'subdir_missing', isPassing: false });
    }
  });

  test('fails with too_large for an archive above the limit', async () => {
    await expect(packed(undefined, '/app.git', { maxFetchBytes: 4_096 })).rejects.toMatchObject({ fault: 'too_large' });
  });
});
