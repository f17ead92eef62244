import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { type BuildRequest, buildRequest } from '@kiln/contracts';
import type { StorageShare } from '@kiln/state';
import type { ApiConfig } from '../config.ts';
import { requireDockerfile } from '../contexts/require-tree.ts';
import { type StagedContext, type StagingDeps, stageContext } from '../contexts/stage-context.ts';
import { incomplete } from '../contexts/tar-problems.ts';
import { ApiProblem, fieldProblem, parsed } from '../http/api-problem.ts';
import { admitBody } from '../http/body-gate.ts';
import { CutOff, eachPart } from '../http/multipart.ts';
import { parseJson, readAll, readJson } from '../http/read-json.ts';

/** The content of a `POST /v1/builds`. Disposing of it removes a context that wasn't kept. */
export interface Submission extends AsyncDisposable {
  readonly request: BuildRequest;
  readonly context?: StagedContext;
}

type Limits = Pick<
  ApiConfig,
  'maxJsonBytes' | 'maxContextBytes' | 'maxUnpackedContextBytes' | 'maxContextEntries' | 'uploadIdleMs'
>;

/** Checks a request before its context is read, and may change it. `team` is the one that the request names. @throws ApiProblem */
export type Admission = (request: BuildRequest, team: string | undefined) => Promise<Admitted>;

interface Admitted {
  readonly request: BuildRequest;
  /** Limit of the context; undefined if only the pool's limit applies. */
  readonly maxContextBytes: number | undefined;
  /** The storage that the context counts towards. */
  readonly share: StorageShare;
}

/** Reads a submission, JSON or multipart. @throws ApiProblem; the file system's errors */
export async function receiveSubmission(
  message: IncomingMessage,
  staging: StagingDeps,
  limits: Limits,
  admit: Admission,
): Promise<Submission> {
  const type = message.headers['content-type'] ?? '';
  const essence = type.split(';', 1)[0]?.trim().toLowerCase();
  if (essence === 'application/json') {
    admitBody(message);
    const { request } = await requestOf(await readJson(message, limits.maxJsonBytes), admit);
    checkParts(request, false);
    return { request, [Symbol.asyncDispose]: async () => {} };
  }
  if (essence === 'multipart/form-data') {
    admitBody(message);
    return receiveMultipart(message, staging, limits, admit);
  }
  throw fieldProblem(
    'unsupported_media_type',
    'header Content-Type',
    type || 'nothing',
    'application/json or multipart/form-data',
  );
}

async function receiveMultipart(
  message: IncomingMessage,
  staging: StagingDeps,
  limits: Limits,
  admit: Admission,
): Promise<Submission> {
  let request: BuildRequest | undefined;
  let { maxContextBytes } = limits;
  // A context that arrives before its request counts for no team until it is kept.
  let share: StorageShare | undefined;
  let context: StagedContext | undefined;
  let broken: ApiProblem | undefined;
  await using staged = new AsyncDisposableStack();
  try {
    await eachPart(message, limits.uploadIdleMs, async (name, content) => {
      if (name === 'request' && !request) {
        const admitted = await requestOf(parseJson(await readAll(content, limits.maxJsonBytes), 'request'), admit);
        ({ request, share } = admitted);
        maxContextBytes = Math.min(maxContextBytes, admitted.maxContextBytes ?? maxContextBytes);
        checkParts(request, true);
      } else if (name === 'context' && !context && !broken) {
        try {
          context = staged.use(await stageContext(content, staging, { ...limits, maxContextBytes }, share));
        } catch (error) {
          // All of this part has been read. Whether a request follows says more than what is wrong with the context.
          if (request || !(error instanceof ApiProblem) || error.code !== 'context_incomplete') throw error;
          broken = error;
        }
      } else throw unexpectedPart(name);
    });
  } catch (error) {
    throw error instanceof CutOff ? incomplete(error.message) : error;
  }
  if (!request) throw fieldProblem('invalid_request', 'request', 'nothing', 'a part with the build request as JSON');
  if (broken) throw broken;
  if (!context) throw fieldProblem('invalid_request', 'context', 'nothing', 'a part with the context as a tar');
  await checkContext(request, context);
  const kept = staged.move();
  return { request, context, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function requestOf(body: unknown, admit: Admission): Promise<Admitted> {
  const request = parsed(buildRequest, body);
  const namesTeam = (body as { readonly team?: unknown }).team !== undefined;
  return admit(request, namesTeam ? request.team : undefined);
}

function unexpectedPart(name: string): ApiProblem {
  return fieldProblem(
    'invalid_request',
    name || 'part',
    'an unknown or repeated part',
    'one part named request and one named context',
  );
}

/** Checks that a context was sent if, and only if, the source needs one. */
function checkParts({ source, mtimes }: BuildRequest, hasContext: boolean): void {
  if (source.type === 'git' && hasContext) {
    throw fieldProblem('invalid_request', ['source', 'type'], '"git"', '"upload", since a context was sent');
  }
  if (source.type === 'upload' && !hasContext && source.digest === undefined) {
    throw fieldProblem(
      'invalid_request',
      ['source', 'digest'],
      'nothing',
      'the digest of a context uploaded before, or multipart/form-data with a part named context',
    );
  }
  if (source.type !== 'upload') return;
  if (mtimes === 'submitted' && !hasContext && source.times === undefined) {
    const expected = 'the digest of the uploaded times, because mtimes is submitted';
    throw fieldProblem('invalid_request', ['source', 'times'], 'nothing', expected);
  }
  if (hasContext && source.times !== undefined) {
    const expected = 'nothing, because a context with its times was sent';
    throw fieldProblem('invalid_request', ['source', 'times'], source.times, expected);
  }
}

async function checkContext({ source, dockerfile }: BuildRequest, { tree }: StagedContext): Promise<void> {
  if (source.type === 'upload' && source.digest !== undefined && source.digest !== tree.root) {
    throw fieldProblem(
      'context_invalid',
      ['source', 'digest'],
      source.digest,
      `the digest of the context that was sent, ${tree.root}`,
    );
  }
  await requireDockerfile(tree.root, dockerfile, tree.entries, tree.node);
}

/** Reads a body that is stored as it arrives. @throws ApiProblem `context_incomplete` if the body is cut off */
export async function* wholeBody(message: IncomingMessage & Readable): AsyncGenerator<Buffer> {
  admitBody(message);
  try {
    // When left early the request isn't destroyed: its connection is still needed for the answer.
    for await (const chunk of message.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
  } catch {
    throw incomplete('the connection was lost');
  }
  if (!message.complete) throw incomplete('the connection was lost');
}
