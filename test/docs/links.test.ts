import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const PAGES = globSync(['*.md', 'docs/**/*.md', 'infra/**/*.md'], { cwd: ROOT, exclude: ['**/node_modules/**'] });

const textOf = (page: string) => readFileSync(join(ROOT, page), 'utf8').replace(/^```[\s\S]*?^```/gm, '');

/** Anchors as GitHub makes them of headings. */
function anchorsOf(page: string): Set<string> {
  const headings = [...textOf(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** Links to other pages and files, not to the web. */
function linksOf(page: string): string[] {
  return [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

function exists(path: string): boolean {
  return globSync(path, { cwd: ROOT }).length > 0;
}

describe('the documentation', () => {
  test.for(PAGES)('%s links only to pages and headings that exist', (page) => {
    const broken = linksOf(page).filter((target) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
      if (!exists(file)) return true;
      return anchor !== undefined && !anchorsOf(file).has(anchor);
    });
    expect(broken).toEqual([]);
  });

  test.for(['docs/develop/life-of-a-build.md', 'docs/develop/architecture.md', 'CONTRIBUTING.md'])(
    '%s names only files that exist',
    (page) => {
      const named = [...textOf(page).matchAll(/`((?:apps|packages|test|infra|docs)\/[\w./*-]+)`/g)].map(
        ([, path = '']) => path,
      );
      expect(named.filter((path) => !exists(path))).toEqual([]);
    },
  );

  test('security.md names only tests that exist', () => {
    const rows = textOf('docs/operate/security.md')
      .split('\n')
      .filter((line) => line.startsWith('| '));
    const named = rows.flatMap((row) =>
      [...(row.split('|').at(-2) ?? '').matchAll(/`([^` ]+)`/g)].map(([, path = '']) => path),
    );
    expect(named.length).toBeGreaterThan(80);
    expect(named.filter((path) => !exists(path) && !somewhere(path))).toEqual([]);
  });
});

/** Paths of that page leave out `apps/api/src`, and `src` of other rooms and the folders below it. */
function somewhere(path: string): boolean {
  const [room = '', ...rest] = path.split('/');
  const below = rest.join('/');
  return (
    exists(`apps/api/src/${path}`) ||
    exists(`apps/${room}/src/**/${below}`) ||
    exists(`packages/${room}/src/**/${below}`)
  );
}
