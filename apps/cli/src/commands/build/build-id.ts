import type { KilnClient } from '@kiln/client';
import { type BuildView, buildId } from '@kiln/contracts';
import { UsageError } from '../../io/errors.ts';

const MIN_CHARS = 4;
/** How many of the newest builds a short id may mean. */
const SEARCHED = 200;
const SHOWN = 5;

/**
 * The full id of what a person typed: a whole id, or the beginning or end of one of the newest builds' ids.
 * The end is the better one to type: ids of the same minute begin alike. Throws `UsageError` where it is none or several.
 */
export async function resolveId(client: KilnClient, text: string): Promise<string> {
  const wanted = text.toLowerCase();
  if (buildId.safeParse(wanted).success) return wanted;
  if (!/^[0-9a-z]+$/.test(wanted)) throw new UsageError(`${JSON.stringify(text)} isn't a build's id`);
  if (wanted.length < MIN_CHARS) throw new UsageError(`${text}: at least ${MIN_CHARS} characters of the build's id`);
  const { builds } = await client.list({ limit: SEARCHED });
  const found = builds.filter(({ id }) => id.startsWith(wanted) || id.endsWith(wanted));
  const [only] = found;
  if (!only) throw new UsageError(`none of the last ${SEARCHED} builds has an id that begins or ends with ${text}`);
  if (found.length > 1) throw new UsageError(`${text} may be any of ${found.length} builds:\n${examples(found)}`);
  return only.id;
}

function examples(builds: readonly BuildView[]): string {
  const lines = builds.slice(0, SHOWN).map(({ id, state, repo }) => `  ${id}  ${state}  ${repo}`);
  return [...lines, ...(builds.length > SHOWN ? ['  …'] : [])].join('\n');
}

const SHORT_CHARS = 8;

/** The end of an id, long enough to be the only one of its kind. */
export function shortId(id: string): string {
  return id.slice(-SHORT_CHARS);
}
