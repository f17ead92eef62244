import { type BuildFilter, type BuildPage, type BuildView, matchesFilter } from '@kiln/contracts';
import type { InfiniteData } from '@tanstack/react-query';

export type BuildPages = InfiniteData<BuildPage, string | undefined>;

/**
 * Takes changed builds over into the pages of a list, newest first. A build that is there is replaced unless it is older than what is shown, or
 * leaves if it no longer matches; one that isn't there is added if it belongs among those that were read. Returns the same object if nothing
 * changes.
 */
export function withUpdates(pages: BuildPages, updates: readonly BuildView[], filter: BuildFilter): BuildPages {
  const changed = new Map<string, BuildView>();
  for (const build of updates) {
    const before = changed.get(build.id);
    if (!before || before.revision <= build.revision) changed.set(build.id, build);
  }
  let isSame = true;
  const replaced = pages.pages.map((page) => {
    if (!page.builds.some(({ id }) => changed.has(id))) return page;
    const builds = page.builds.flatMap((old) => {
      const build = changed.get(old.id);
      changed.delete(old.id);
      if (!build || build.revision < old.revision) return [old];
      isSame = false;
      return matchesFilter(build, filter) ? [build] : [];
    });
    return { ...page, builds };
  });
  const added = [...changed.values()].filter((build) => matchesFilter(build, filter));
  for (const build of added.sort((a, b) => (a.id < b.id ? -1 : 1))) isSame = !insert(replaced, build) && isSame;
  return isSame ? pages : { ...pages, pages: replaced };
}

/** Inserts a build that isn't in any page. Returns whether it belongs into one: older ones come with the pages that are still to be read. */
function insert(pages: BuildPage[], build: BuildView): boolean {
  for (const [i, page] of pages.entries()) {
    const at = page.builds.findIndex(({ id }) => id < build.id);
    const isLast = i === pages.length - 1;
    if (at < 0 && !(isLast && page.next === undefined) && !(page.next !== undefined && page.next < build.id)) continue;
    const builds = at < 0 ? [...page.builds, build] : page.builds.toSpliced(at, 0, build);
    pages[i] = { ...page, builds };
    return true;
  }
  return false;
}
