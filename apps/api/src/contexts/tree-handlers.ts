import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { TreeStore } from '@kiln/blobs';
import { type OperationId, storeTreeQuery, TREE_PARTS_TYPE, treeDigests } from '@kiln/contracts';
import { type Principal, teamFor } from '@kiln/domain';
import type { Memory, MeteredBlobs } from '@kiln/state';
import { type Digest, type WantedParts, writeParts } from '@kiln/trees';
import type { Request } from 'express';
import type { Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import { sendBlob, sendJson } from '../http/answer.ts';
import { fieldProblem, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { decodedBody } from '../http/decoded-body.ts';
import { jsonBody } from '../http/json-body.ts';
import { pacedBody } from '../http/paced-body.ts';
import type { BuildRules } from '../limits/build-rules.ts';
import { receiveParts } from './receive-parts.ts';
import { treeProblem } from './tree-problems.ts';

type TreeOperation = Extract<OperationId, 'findMissingTreeParts' | 'storeTreeParts' | 'readTreeParts'>;

/** A snapshot is limited by its team's quota only. */
const SNAPSHOT_LIMITS = {
  maxUnpackedContextBytes: Number.MAX_SAFE_INTEGER,
  maxContextEntries: 2_000_000,
  contextBytes: undefined,
};
/** Fewest bytes of an upload within the idle time-out. */
const LEAST_BYTES = 16 * 1024;

export interface TreeHandlerDeps {
  readonly trees: TreeStore;
  readonly blobs: Pick<MeteredBlobs, 'beginUpload' | 'hold'>;
  readonly memory: Pick<Memory, 'assertRoom'>;
  readonly rulesFor: (principal: Principal, team: string) => Promise<BuildRules>;
}

/** The routes of contexts as trees. A team's objects are its own: what others have stored makes no difference to any answer. */
export function treeHandlers(
  config: ApiConfig,
  { trees, blobs, memory, rulesFor }: TreeHandlerDeps,
): Record<TreeOperation, Handler> {
  return {
    async findMissingTreeParts(request, response, { principal }) {
      const team = teamOf(request, principal);
      const wanted = await digestsOf(request, config);
      sendJson(response, 200, await trees.missing(team, wanted));
    },

    async storeTreeParts(request, response, { principal, note }) {
      const team = teamOf(request, principal);
      note({ target: team });
      if (!request.is(TREE_PARTS_TYPE)) {
        const type = request.get('content-type') ?? 'nothing';
        throw fieldProblem('unsupported_media_type', 'header Content-Type', type, TREE_PARTS_TYPE);
      }
      await within(config.storeTimeoutMs, memory.assertRoom());
      const { share, contextBytes } = await rulesFor(principal, team);
      const { purpose } = parsed(storeTreeQuery, request.query, 'query ');
      const limits = purpose === 'snapshot' ? SNAPSHOT_LIMITS : { ...config, contextBytes };
      const maxBytes = Math.min(config.maxContextBytes, contextBytes ?? config.maxContextBytes);
      const sent = limitedBody(request, maxBytes, config.uploadIdleMs);
      const bytes = decodedBody(sent, request.get('content-encoding'));
      const { newBytes, ...stored } = await receiveParts(bytes, { trees, blobs }, share, limits);
      note({
        target: team,
        details: { directories: String(stored.directories), files: String(stored.files), newBytes: String(newBytes) },
      });
      sendJson(response, 200, stored);
    },

    async readTreeParts(request, response, { principal }) {
      const team = teamOf(request, principal);
      const wanted = await digestsOf(request, config);
      const parts = await trees.open(team, wanted).catch((error: unknown) => Promise.reject(treeProblem(error)));
      await sendBlob(response, Readable.from(writeParts(parts), { objectMode: false }), {
        'Content-Type': TREE_PARTS_TYPE,
      });
    },
  };
}

/** The team that the request names, or the caller's own. @throws ApiProblem `forbidden` */
function teamOf(request: Request, principal: Principal): string {
  const { team } = parsed(storeTreeQuery, request.query, 'query ');
  const own = teamFor(principal, team);
  if (own !== undefined) return own;
  const expected = `${principal.team}, the team of ${principal.name}`;
  throw fieldProblem('forbidden', 'query team', JSON.stringify(team), expected);
}

async function digestsOf(request: Request, { maxJsonBytes }: Pick<ApiConfig, 'maxJsonBytes'>): Promise<WantedParts> {
  // The schema has checked their form.
  const { directories, files } = parsed(treeDigests, await jsonBody(request, maxJsonBytes));
  return { directories: directories as Digest[], files: files as Digest[] };
}

async function* limitedBody(request: IncomingMessage, maxBytes: number, idleMs: number): AsyncGenerator<Buffer> {
  let count = 0;
  for await (const chunk of pacedBody(request, { leastBytes: LEAST_BYTES, withinMs: idleMs })) {
    count += chunk.length;
    if (count > maxBytes)
      throw fieldProblem('body_too_large', 'body', `more than ${maxBytes} bytes`, `at most ${maxBytes} bytes`);
    yield chunk;
  }
}
