import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, glob, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ReleaseParts, ReleaseRefused, release } from '@kiln/release';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Two of this repository's own manifests, and its Dockerfile. */
const FILES = ['package.json', 'apps/cli/package.json', 'infra/images/Dockerfile', 'docs/CHANGELOG.md'];
const EXAMPLE = '{\n  "name": "an-example",\n  "version": "3.2.1"\n}\n';
const NOTES = '- Builds start sooner.\n\n### Fixed\n\n- Nothing is lost.';

let dir: string;
let origin: string;
let root: string;
let out: string;
let calls: string[];
let clones = 0;

const git = (...args: string[]) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' }).trim();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-release-'));
  origin = join(dir, 'origin');
  for (const file of FILES) await cp(join(ROOT, file), join(origin, file));
  await mkdir(join(origin, 'examples/one'), { recursive: true });
  await writeFile(join(origin, 'examples/one/package.json'), EXAMPLE);
  await writeFile(join(origin, '.gitignore'), 'dist/\n');
  const changelog = await readFile(join(origin, 'docs/CHANGELOG.md'), 'utf8');
  const newer = `## 9.8.0 (2030-01-02)\n\n${NOTES}\n\n## 9.7.0\n\n## `;
  await writeFile(join(origin, 'docs/CHANGELOG.md'), changelog.replace('## ', newer));
  execFileSync('git', ['init', '--quiet', '--initial-branch', 'main', origin]);
  root = origin;
  git('add', '--all');
  git('-c', 'user.name=t', '-c', 'user.email=t@example.org', 'commit', '--quiet', '--message', 'All');
});
afterAll(() => rm(dir, { recursive: true, force: true }));

beforeEach(() => {
  root = join(dir, `clone-${++clones}`);
  out = join(dir, `out-${clones}`);
  execFileSync('git', ['clone', '--quiet', origin, root]);
  git('config', 'user.name', 'A Maintainer');
  git('config', 'user.email', 'maintainer@example.org');
  calls = [];
});

/** Parts that write small files, and note for which commit. */
const PARTS: ReleaseParts = {
  pack: async (_, draft) => {
    calls.push('pack');
    await writeFile(join(draft, 'kiln-cli.tgz'), 'a package');
  },
  images: async (_, draft, revision) => {
    calls.push('images');
    await writeFile(join(draft, 'kiln-api.tar'), revision, { mode: 0o600 });
  },
  say: () => {},
};

const make = (more: Partial<ReleaseParts & { version: string; isDryRun: boolean; out: string }> = {}) => {
  const { version = '9.8.0', isDryRun = false, ...parts } = more;
  return release({ root, version, out: more.out ?? out, isDryRun }, { ...PARTS, ...parts });
};

async function reasons(more: Parameters<typeof make>[0] = {}): Promise<readonly string[]> {
  const error = await make(more).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ReleaseRefused);
  return (error as ReleaseRefused).reasons;
}

/** Everything that a release changes. */
async function state() {
  return {
    head: git('rev-parse', 'HEAD'),
    tags: git('tag', '--list'),
    changes: git('status', '--porcelain'),
    out: await readdir(out).catch(() => []),
    pushed: execFileSync('git', ['-C', origin, 'for-each-ref', '--format=%(refname)'], { encoding: 'utf8' }),
  };
}

const versionOf = async (file: string) => JSON.parse(await readFile(join(root, file), 'utf8')).version as string;

describe('a release', () => {
  test('sets all versions, makes the files with their checksums, tags the commit, and pushes nothing', async () => {
    const before = await state();
    const made = await make();
    const after = await state();
    expect(made).toEqual({ dir: join(out, 'kiln-9.8.0'), tag: 'v9.8.0', revision: after.head });
    expect(git('log', '-1', '--format=%s|%P')).toBe(`Release 9.8.0|${before.head}`);
    expect(after).toEqual({ ...before, head: after.head, tags: 'v9.8.0', out: ['kiln-9.8.0'] });
    expect(git('rev-parse', 'v9.8.0^{commit}')).toBe(after.head);
    expect(git('tag', '--list', '--format=%(contents)')).toBe(`Kiln 9.8.0\n\n${NOTES}`);
    expect(await versionOf('package.json')).toBe('9.8.0');
    expect(await versionOf('apps/cli/package.json')).toBe('9.8.0');
    expect(await readFile(join(root, 'infra/images/Dockerfile'), 'utf8')).toContain('\nARG VERSION=9.8.0\n');
    expect(await readFile(join(root, 'examples/one/package.json'), 'utf8')).toBe(EXAMPLE);
    const files = ['NOTES.md', 'REVISION', 'SHA256SUMS', 'kiln-api.tar', 'kiln-cli.tgz'];
    expect((await readdir(join(out, 'kiln-9.8.0'))).sort()).toEqual(files);
    expect(await readFile(join(out, 'kiln-9.8.0/kiln-api.tar'), 'utf8')).toBe(after.head);
    expect((await stat(join(out, 'kiln-9.8.0/kiln-api.tar'))).mode & 0o777).toBe(0o644);
    const sum = createHash('sha256').update('a package').digest('hex');
    expect(await readFile(join(out, 'kiln-9.8.0/SHA256SUMS'), 'utf8')).toContain(`${sum}  kiln-cli.tgz\n`);
    execFileSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: join(out, 'kiln-9.8.0') });
  });

  test('that is tried shows what it would do, and changes nothing', async () => {
    const before = await state();
    const said: string[] = [];
    expect(await make({ isDryRun: true, say: (line) => void said.push(line) })).toBeUndefined();
    expect(said).toEqual([
      'would set version 9.8.0 in 3 files, and commit that',
      `would make ${join(out, 'kiln-9.8.0')}`,
      'would tag v9.8.0',
    ]);
    expect([await state(), calls]).toEqual([before, []]);
  });

  test.each(['pack', 'images'] as const)(
    'whose part %s fails leaves no files and no tag, and goes on when it is repeated',
    async (part) => {
      const failing = async (_: string, draft: string) => {
        await writeFile(join(draft, 'half'), '');
        throw new Error('no space left');
      };
      await expect(make({ [part]: failing })).rejects.toThrow('no space left');
      const broken = await state();
      expect(broken).toMatchObject({ tags: '', changes: '', out: [] });
      expect(await make()).toMatchObject({ revision: broken.head });
      expect(await state()).toEqual({ ...broken, tags: 'v9.8.0', out: ['kiln-9.8.0'] });
    },
  );

  test('that was made already changes nothing, and makes only what is missing', async () => {
    await make();
    const before = await state();
    calls = [];
    await make();
    git('tag', '--delete', 'v9.8.0');
    await make();
    expect([await state(), calls]).toEqual([before, []]);
    await rm(join(out, 'kiln-9.8.0'), { recursive: true });
    await make();
    expect([await state(), calls]).toEqual([before, ['pack', 'images']]);
  });

  test('whose commit is refused leaves the files as they were', async () => {
    const before = await state();
    await writeFile(join(root, '.git/hooks/pre-commit'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    await expect(make()).rejects.toThrow('git commit');
    expect([await state(), calls]).toEqual([before, []]);
  });

  test('during which the checkout changes is not tagged', async () => {
    const images: ReleaseParts['images'] = async () => writeFile(join(root, 'package.json'), '{}');
    await expect(make({ images })).rejects.toThrow('the checkout has changed meanwhile');
    expect((await state()).tags).toBe('');
  });
});

describe('a release is refused, and nothing changed,', () => {
  test('with all reasons at once', async () => {
    await writeFile(join(root, 'new-file'), '');
    await mkdir(join(out, 'kiln-0.0.1'), { recursive: true });
    const before = await state();
    expect(await reasons({ version: '0.0.1' })).toEqual([
      'the checkout has changes; commit or remove them:\n  ?? new-file',
      'docs/CHANGELOG.md has no entry, or an empty one, below a heading "## 0.0.1"',
      expect.stringMatching(/^version: got 0\.0\.1, which is lower than the present one, /),
      `${join(out, 'kiln-0.0.1')} is not a release; remove it, or choose another --out`,
    ]);
    expect([await state(), calls]).toEqual([before, []]);
  });

  test.each(['9.8', 'v9.8.0', '9.8.0+1', ''])('for the version "%s"', async (version) => {
    expect(await reasons({ version })).toEqual([
      `version: got ${JSON.stringify(version)}, expected X.Y.Z or X.Y.Z-pre.1`,
    ]);
  });

  test('if its entry in the changelog is empty', async () => {
    expect(await reasons({ version: '9.7.0' })).toEqual([expect.stringContaining('## 9.7.0')]);
  });

  test('if the packages have different versions', async () => {
    const path = join(root, 'apps/cli/package.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace(/"version": "[^"]+"/, '"version": "9.0.0"'));
    git('commit', '--quiet', '--all', '--message', 'Half');
    expect(await reasons()).toEqual([
      expect.stringMatching(/^apps\/cli\/package\.json: got version 9\.0\.0, expected /),
    ]);
  });

  test('if the version is tagged on another commit, or the files are of another one', async () => {
    await make();
    git('commit', '--quiet', '--allow-empty', '--message', 'Later');
    const tagged = git('rev-parse', 'v9.8.0^{commit}');
    expect(await reasons()).toEqual([
      `the tag v9.8.0 is there already, on ${tagged}; a version is released once`,
      expect.stringContaining('was made from another commit; remove it'),
    ]);
  });

  test('if its files were changed', async () => {
    await make();
    await writeFile(join(out, 'kiln-9.8.0/kiln-cli.tgz'), 'another');
    expect(await reasons()).toEqual([expect.stringContaining('does not match its SHA256SUMS')]);
  });

  test('if its files would be in the checkout itself', async () => {
    expect(await reasons({ out: join(root, 'release') })).toEqual([expect.stringContaining('--out: got ')]);
    expect(await make({ out: join(root, 'dist/release') })).toMatchObject({ tag: 'v9.8.0' });
  });
});

test('the repository has one version, with an entry in its changelog', async () => {
  const read = (path: string) => readFile(join(ROOT, path), 'utf8');
  const { version } = JSON.parse(await read('package.json')) as { version: string };
  const manifests = await Array.fromAsync(glob('{apps/*,packages/*,infra/*,test}/package.json', { cwd: ROOT }));
  const others = await Promise.all(manifests.map(async (path) => [path, JSON.parse(await read(path)).version]));
  expect(Object.fromEntries(others)).toEqual(Object.fromEntries(manifests.map((path) => [path, version])));
  expect(manifests).toContain('apps/cli/package.json');
  expect(await read('infra/images/Dockerfile')).toContain(`\nARG VERSION=${version}\n`);
  const headings = (await read('docs/CHANGELOG.md'))
    .split('\n')
    .filter((line) => `${line} `.startsWith(`## ${version} `));
  expect(headings).toHaveLength(1);
});
