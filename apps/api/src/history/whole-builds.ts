import type { StoredBuild } from '@kiln/state';
import pMap from 'p-map';
import type { Logger } from 'pino';
import type { Builds } from '../ports.ts';
import { type BuildDocuments, DocumentLost } from './build-documents.ts';

/** Documents that one list reads at once. */
const READ_AT_ONCE = 16;

/** Completes archived builds from the blob store, so that callers needn't know where a build is stored. */
export function wholeBuilds(builds: Builds, documents: BuildDocuments, log: Logger): Builds {
  /** @throws DocumentLost */
  const whole = async (build: StoredBuild): Promise<StoredBuild> => {
    const { archived, record } = build;
    if (!archived?.isCut) return build;
    const { record: all, spec } = await documents.read(record.id, archived);
    return { record: all, spec, archived };
  };
  /** A lost document doesn't fail the whole list: the build is shown as Redis has it. */
  const listed = async (build: StoredBuild): Promise<StoredBuild> => {
    try {
      return await whole(build);
    } catch (error) {
      if (!(error instanceof DocumentLost)) throw error;
      log.error({ err: error, buildId: build.record.id }, 'build document lost');
      return build;
    }
  };
  return {
    accept: async (build) => {
      const accepted = await builds.accept(build);
      return { ...accepted, build: await whole(accepted.build) };
    },
    get: async (id) => {
      const build = await builds.get(id);
      return build && whole(build);
    },
    record: (id) => builds.record(id),
    list: async (filter, page) => {
      const found = await builds.list(filter, page);
      return { ...found, builds: await pMap(found.builds, listed, { concurrency: READ_AT_ONCE }) };
    },
    cancel: async (id) => {
      const canceled = await builds.cancel(id);
      return canceled && { ...canceled, build: await whole(canceled.build) };
    },
    secretsOf: (id) => builds.secretsOf(id),
    // Asked for builds that wait, and those aren't archived.
    lastDecisions: (ids) => builds.lastDecisions(ids),
    queuedBefore: (ids) => builds.queuedBefore(ids),
    decisions: async (id) => {
      const live = await builds.decisions(id);
      if (live.length > 0) return live;
      // Read second, so that the decisions of a build that is archived in between are found here.
      const archived = (await builds.get(id))?.archived;
      return archived ? [...(await documents.read(id, archived)).decisions] : [];
    },
  };
}
