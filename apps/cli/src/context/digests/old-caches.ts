import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Caches of more contexts are removed, the longest unused first. */
const MAX_CACHES = 200;
const UNUSED_MS = 60 * 24 * 3600_000;
/** Drafts of a process that died. */
const DRAFT_MS = 3600_000;

/** Removes caches of contexts that haven't been built for long, and drafts that were never finished. */
export async function removeOldCaches(dir: string, nowMs: number): Promise<void> {
  const files = await Promise.all(
    (await readdir(dir)).map(async (name) => {
      const path = join(dir, name);
      const stats = await stat(path).catch(() => undefined);
      return { path, isDraft: name.endsWith('.new'), ageMs: nowMs - (stats?.mtimeMs ?? nowMs) };
    }),
  );
  const drafts = files.filter(({ isDraft, ageMs }) => isDraft && ageMs > DRAFT_MS);
  const caches = files.filter(({ isDraft }) => !isDraft).sort((a, b) => a.ageMs - b.ageMs);
  const unused = caches.filter(({ ageMs }, i) => i >= MAX_CACHES || ageMs > UNUSED_MS);
  await Promise.all([...drafts, ...unused].map(({ path }) => rm(path, { force: true })));
}
