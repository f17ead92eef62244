import { type BlobStore, noteUse } from '@kiln/blobs';
import { contextDigest, contextKey } from '@kiln/contracts';
import { ALL_TEAMS } from '@kiln/domain';
import type { ContextTeams } from '@kiln/state';
import type { Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import { sendBlob } from '../http/answer.ts';
import { fieldProblem, parameter } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';

/** The route of contexts: workers read them. */
export function contextHandlers(
  { storeTimeoutMs, contextRetentionMs }: Pick<ApiConfig, 'storeTimeoutMs' | 'contextRetentionMs'>,
  {
    blobs,
    contextTeams,
  }: { readonly blobs: Pick<BlobStore, 'open' | 'touch'>; readonly contextTeams: Pick<ContextTeams, 'has'> },
): { readonly readContext: Handler } {
  return {
    async readContext(request, response, { principal: { team } }) {
      const digest = parameter(contextDigest, 'digest', request.params.digest);
      const isOwn = team === ALL_TEAMS || (await within(storeTimeoutMs, contextTeams.has(digest, team)));
      const info = isOwn ? await noteUse(blobs, contextKey(digest), contextRetentionMs) : undefined;
      const blob = info && (await blobs.open(contextKey(digest)));
      if (!blob) throw fieldProblem('context_not_found', 'digest', digest, 'the digest of a stored context');
      await sendBlob(response, blob, {
        'Content-Type': 'application/octet-stream',
        'Content-Length': info.sizeBytes,
        ETag: `"${digest}"`,
        'Cache-Control': 'private, immutable, max-age=31536000',
      });
    },
  };
}
