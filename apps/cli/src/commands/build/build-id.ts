import type { KilnClient } from '@kiln/client';
import { type BuildView, buildId } from '@kiln/contracts';
import { UsageError } from '../../io/errors.ts';

const MIN_CHARS = 4;
/** How many of the newest builds a shortened id is looked up in. */
const SEARCHED = 200;
const SHOWN = 5;

/**
 * Returns the full id of a build from a full id, or from the beginning or end of an id of a recent build.
 * The end is the better choice, because ids of the same minute begin alike.
 * @throws UsageError if no build matches, or several do
 */
export async function resolveId(client: KilnClient, text: string): Promise<string> {
  const wanted = text.toLowerCase();
  if (buildId.safeParse(wanted).success) return wanted;
  if (!/^[0-9a-z]+$/.test(wanted)) throw new UsageError(`${JSON.stringify(text)} is not a build id`);
  if (wanted.length < MIN_CHARS) {
    throw new UsageError(`a shortened build id needs at least ${MIN_CHARS} characters, got ${JSON.stringify(text)}`);
  }
  const { builds } = await client.list({ limit: SEARCHED });
  const found = builds.filter(({ id }) => id.startsWith(wanted) || id.endsWith(wanted));
  const [only] = found;
  if (!only) throw new UsageError(`none of the last ${SEARCHED} builds has an id that begins or ends with ${text}`);
  if (found.length > 1) throw new UsageError(`${text} matches ${found.length} builds:\n${examples(found)}`);
  return only.id;
}

function examples(builds: readonly BuildView[]): string {
  const lines = builds.slice(0, SHOWN).map(({ id, state, repo }) => `  ${id}  ${state}  ${repo}`);
  return [...lines, ...(builds.length > SHOWN ? ['  …'] : [])].join('\n');
}

const SHORT_CHARS = 8;

/** Shortens an id to its end, which is long enough to be unique in practice. */
export function shortId(id: string): string {
  return id.slice(-SHORT_CHARS);
}
