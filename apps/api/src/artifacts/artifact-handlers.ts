import { Readable } from 'node:stream';
import { noteUse } from '@kiln/blobs';
import { artifactKey, artifactName, type OperationId } from '@kiln/contracts';
import { currentAttempt } from '@kiln/domain';
import { BlobTooLarge, type MeteredBlobs, storeArtifact } from '@kiln/state';
import type { Handler } from '../access/call.ts';
import { visibleBuilds } from '../access/visible-builds.ts';
import { buildFinder, buildIdOf } from '../builds/find-build.ts';
import { wholeBody } from '../builds/receive-submission.ts';
import type { ApiConfig } from '../config.ts';
import { sendBlob, sendJson } from '../http/answer.ts';
import { ApiProblem, fieldProblem, parameter } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import type { Builds } from '../ports.ts';

type ArtifactOperation = Extract<OperationId, 'readArtifact' | 'storeArtifact'>;

/** The routes of artifacts: workers store them, clients read them. */
export function artifactHandlers(
  { storeTimeoutMs, artifactRetentionMs }: Pick<ApiConfig, 'storeTimeoutMs' | 'artifactRetentionMs'>,
  { builds, blobs }: { readonly builds: Builds; readonly blobs: MeteredBlobs },
): Record<ArtifactOperation, Handler> {
  const find = buildFinder(builds, storeTimeoutMs);
  return {
    async readArtifact(request, response, { principal }) {
      const { record } = await find(buildIdOf(request), principal);
      const { sharedRun } = record;
      const run =
        sharedRun === undefined
          ? record
          : (await within(storeTimeoutMs, visibleBuilds(builds, principal).get(sharedRun)))?.record;
      const key = run && artifactKey(run.id, currentAttempt(run)?.number ?? 0);
      const info = key && record.result?.artifact && (await noteUse(blobs, key, artifactRetentionMs));
      const blob = info && (await blobs.open(key));
      if (!info || !blob) {
        const got = record.result?.artifact
          ? 'an artifact that is no longer kept'
          : `a build in state ${record.state} without an artifact`;
        throw fieldProblem('artifact_not_found', 'id', got, 'a succeeded build with output.type artifact');
      }
      await sendBlob(response, blob, {
        'Content-Type': 'application/x-tar',
        'Content-Length': info.sizeBytes,
        'Content-Disposition': `attachment; filename="${record.id}.tar"`,
      });
    },

    async storeArtifact(request, response, { principal }) {
      const name = parameter(artifactName, 'name', request.params.name);
      const [id = '', attempt = ''] = name.split('-');
      const { record } = await find(id, principal);
      const live = currentAttempt(record);
      if (live?.number !== Number(attempt) || live.endedAt !== undefined) {
        throw new ApiProblem(
          'already_finished',
          `attempt ${attempt} is not the build’s live attempt: its artifact was not stored`,
        );
      }
      const body = Readable.from(wholeBody(request), { objectMode: false });
      const stored = storeArtifact(blobs, artifactKey(id, Number(attempt)), body, record);
      sendJson(response, 201, await stored.catch(throwTooLarge));
    },
  };
}

function throwTooLarge(error: unknown): never {
  if (!(error instanceof BlobTooLarge)) throw error;
  const [got, expected] = [error.message, `at most ${error.maxBytes} bytes (limit artifactBytes)`];
  throw fieldProblem('body_too_large', 'artifact', got, expected);
}
