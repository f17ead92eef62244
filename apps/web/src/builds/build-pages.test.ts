import type { BuildView } from '@kiln/contracts';
import { describe, expect, test } from 'vitest';
import { type BuildPages, withUpdates } from './build-pages.ts';

const build = (id: string, state: BuildView['state'] = 'queued', revision = 1) =>
  ({
    id,
    state,
    revision,
    repo: 'app',
    team: 'web',
    request: { source: { type: 'git' }, tags: [] },
  }) as unknown as BuildView;

const pagesOf = (...pages: { ids: string; next?: string }[]): BuildPages => ({
  pages: pages.map(({ ids, next }) => ({ builds: [...ids].map((id) => build(id)), ...(next && { next }) })),
  pageParams: pages.map(() => undefined),
});
const shown = ({ pages }: BuildPages) => pages.map(({ builds }) => builds.map(({ id }) => id).join('')).join('|');

describe('withUpdates', () => {
  test('replaces a build by a newer state of it, and keeps what is newer than the update', () => {
    const pages = withUpdates(pagesOf({ ids: 'cba' }), [build('b', 'running', 3), build('b', 'assigned', 2)], {});
    expect(pages.pages[0]?.builds[1]).toMatchObject({ id: 'b', state: 'running', revision: 3 });
    expect(withUpdates(pages, [build('b', 'assigned', 2)], {})).toBe(pages);
  });

  test('adds new builds at the top, in their order', () => {
    expect(shown(withUpdates(pagesOf({ ids: 'cb', next: 'b' }, { ids: 'a' }), [build('d'), build('e')], {}))).toBe(
      'edcb|a',
    );
  });

  test('adds a build where it belongs among those that were read, and not below them', () => {
    const pages = pagesOf({ ids: 'hf', next: 'f' }, { ids: 'db', next: 'b' });
    expect(shown(withUpdates(pages, [build('g')], {}))).toBe('hgf|db');
    expect(shown(withUpdates(pages, [build('e')], {}))).toBe('hf|edb');
    expect(withUpdates(pages, [build('a')], {})).toBe(pages);
    expect(shown(withUpdates(pagesOf({ ids: 'cb' }), [build('a')], {}))).toBe('cba');
    expect(shown(withUpdates(pagesOf({ ids: '' }), [build('a')], {}))).toBe('a');
  });

  test('takes a build out that no longer matches the filter, and lets none in that does not', () => {
    const pages = pagesOf({ ids: 'cba' });
    expect(shown(withUpdates(pages, [build('b', 'running', 2), build('d', 'running')], { state: 'queued' }))).toBe(
      'ca',
    );
  });
});
