import type { BuildSpec } from '@kiln/contracts';
import { type AttemptTrace, type BuildRecord, cacheKey, currentAttempt, sameBuilder } from '@kiln/domain';
import type { StoredBuild } from '@kiln/state';
import type { Builds } from '../ports.ts';
import type { StoredTraces } from './stored-traces.ts';

const PAGE = 50;
/** How many builds to look at, and how many records to read. */
const MAX_BUILDS = 200;
const MAX_TRACES = 20;

/** Successful builds of the repo that had ended before a build's attempt started, with the same target and platforms, newest first. */
export async function comparableBuilds(
  builds: Pick<Builds, 'list'>,
  { record, spec }: { readonly record: BuildRecord; readonly spec: BuildSpec },
  startedAt: number,
): Promise<BuildRecord[]> {
  const { id, repo, team } = record;
  const key = cacheKey(record);
  const asked = comparedOf(spec);
  const found: BuildRecord[] = [];
  let cursor: string | undefined = id;
  for (let looked = 0; looked < MAX_BUILDS && cursor !== undefined; looked += PAGE) {
    const page: { builds: StoredBuild[]; next?: string } = await builds.list(
      { repo, team, state: 'succeeded' },
      { limit: PAGE, cursor },
    );
    for (const other of page.builds) {
      const { finishedAt = Number.POSITIVE_INFINITY } = other.record;
      // A build that shared another's run has no attempt of its own.
      const hasRun = other.record.sharedRun === undefined && currentAttempt(other.record) !== undefined;
      const isAlike = cacheKey(other.record) === key && comparedOf(other.spec) === asked;
      if (hasRun && isAlike && finishedAt <= startedAt) found.push(other.record);
    }
    cursor = page.next;
  }
  return found;
}

/** Finds the newest of the builds with a record, on the same builder if there is one. */
export async function baselineOf(
  traces: Pick<StoredTraces, 'read'>,
  now: AttemptTrace,
  comparable: readonly BuildRecord[],
): Promise<{ readonly record: BuildRecord; readonly trace: AttemptTrace } | undefined> {
  const read = async (record: BuildRecord) => {
    const trace = await traces.read(record.id, currentAttempt(record)?.number ?? 0);
    return trace && { record, trace };
  };
  const isHere = (record: BuildRecord) => currentAttempt(record)?.host === now.host;
  const order =
    now.cacheMode === undefined
      ? [...comparable.filter(isHere), ...comparable.filter((one) => !isHere(one))]
      : comparable;
  let other: Awaited<ReturnType<typeof read>>;
  for (const record of order.slice(0, MAX_TRACES)) {
    const found = await read(record);
    if (!found) continue;
    if (sameBuilder(now, found.trace)) return found;
    other ??= found;
  }
  return other;
}

function comparedOf({ target = '', platforms, dockerfile }: BuildSpec): string {
  return JSON.stringify([target, [...platforms].sort(), dockerfile]);
}
