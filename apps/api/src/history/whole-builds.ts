import type { StoredBuild } from '@kiln/state';
import pMap from 'p-map';
import type { Logger } from 'pino';
import type { Builds } from '../ports.ts';
import { type BuildDocuments, DocumentLost } from './build-documents.ts';

/** Documents that one list reads at a time. */
const READ_AT_ONCE = 16;

/** The builds with what archived ones have in the blob store: nobody else need know where a build lies. */
export function wholeBuilds(builds: Builds, documents: BuildDocuments, log: Logger): Builds {
  /** @throws DocumentLost */
  const whole = async (build: StoredBuild): Promise<StoredBuild> => {
    const { archived, record } = build;
    if (!archived?.isCut) return build;
    const { record: all, spec } = await documents.read(record.id, archived);
    return { record: all, spec, archived };
  };
  /** One that is lost holds no list up: it shows what Redis has of it. */
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
    decisions: async (id) => {
      const live = await builds.decisions(id);
      if (live.length > 0) return live;
      // After the other: of a build that is archived in between they are found here.
      const archived = (await builds.get(id))?.archived;
      return archived ? [...(await documents.read(id, archived)).decisions] : [];
    },
  };
}
