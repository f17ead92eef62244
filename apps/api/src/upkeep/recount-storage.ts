import type { BlobStore } from '@kiln/blobs';
import { BLOB_KINDS, buildOfKey, isCountedKey, teamOfTreesKey } from '@kiln/contracts';
import type { BuildStore, ContextTeams, StorageLedger } from '@kiln/state';
import type { Logger } from 'pino';

/** Age from which an entry without a blob is stale, ms: its upload has failed, or its blob was deleted. */
const GONE_MS = 10 * 60_000;

interface RecountDeps {
  readonly blobs: Pick<BlobStore, 'list' | 'stat'>;
  readonly storage: Pick<StorageLedger, 'entry' | 'charge' | 'entries' | 'release'>;
  readonly builds: Pick<BuildStore, 'record'>;
  readonly contextTeams: Pick<ContextTeams, 'teamsOf'>;
}

/**
 * Compares the storage counted for teams with the stored blobs, and corrects differences: left by a process that died between a blob and
 * its entry, from the time before anything was counted, or from blobs deleted by hand. Returns the number of corrected entries.
 */
export async function recountStorage(
  { blobs, storage, builds, contextTeams }: RecountDeps,
  now: number,
  log: Logger,
  signal: AbortSignal,
): Promise<number> {
  const teamsOf = async (key: string): Promise<string[]> => {
    const buildId = buildOfKey(key);
    if (buildId === undefined) return contextTeams.teamsOf(digestOf(key));
    const team = (await builds.record(buildId))?.team;
    return team === undefined ? [] : [team];
  };
  let corrected = 0;
  for (const kind of BLOB_KINDS) {
    for await (const { key, sizeBytes } of blobs.list(kind)) {
      if (signal.aborted) return corrected;
      if (!isCountedKey(key)) continue;
      const entry = await storage.entry(key);
      const isSame = entry?.sizeBytes === sizeBytes;
      // The team of a build never changes, but a context may have been granted to another team.
      if (isSame && kind !== 'contexts') continue;
      const teams = [...new Set([...(entry?.teams ?? []), ...(await teamsOf(key))])];
      if (teams.length === 0 || (isSame && teams.length === entry.teams.length)) continue;
      // It may have been deleted since it was listed.
      if (!(await blobs.stat(key))) continue;
      await storage.charge(
        key,
        sizeBytes,
        teams.map((team) => ({ team })),
      );
      corrected += 1;
    }
  }
  for await (const { key, at } of storage.entries()) {
    if (signal.aborted) return corrected;
    // Stands for many blobs: see `sweepTrees`.
    if (teamOfTreesKey(key) !== undefined) continue;
    const before = now - GONE_MS;
    if (at < before && !(await blobs.stat(key)) && (await storage.release(key, before))) corrected += 1;
  }
  if (corrected > 0) log.info({ corrected }, 'storage recounted');
  return corrected;
}

/** `contexts/sha256-…` is the key of the digest `sha256:…`. */
function digestOf(key: string): string {
  return key.slice(key.indexOf('/') + 1).replace('-', ':');
}
