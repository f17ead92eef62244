import { KilnProblem } from '@kiln/client';
import type { BuildRequestInput, BuildView } from '@kiln/contracts';
import { misfitWarning } from '../../../server/version-fit.ts';
import type { GivenContext } from '../request/context-flag.ts';
import type { BuildSource } from '../request/source.ts';
import { SubmitCall, type SubmitDeps } from './submit-call.ts';
import { submitTree } from './submit-tree.ts';

export interface SubmitOptions {
  readonly contexts: readonly GivenContext[];
  readonly request: BuildRequestInput;
  readonly source: BuildSource;
  readonly idempotencyKey: string | undefined;
}

/**
 * Sends the request, and its context as far as the API lacks it. Ctrl-C while the context is being sent aborts the submission. A later Ctrl-C has to
 * wait for the answer: the build may have been accepted, and canceling it takes its id.
 */
export async function submit(options: SubmitOptions, deps: SubmitDeps): Promise<BuildView> {
  const request = await withContexts(options, deps);
  const { registryLogins, ...rest } = request;
  try {
    return await submitOnce({ ...options, request }, deps);
  } catch (error) {
    // A tar from standard input can't be sent again.
    if (!registryLogins || options.source.tar || !takesNoLogins(error)) throw error;
    deps.view.say('the server is of a version that takes no registry logins of clients; the build goes without them');
    return await submitOnce({ ...options, request: rest }, deps);
  } finally {
    // Also after a refusal, which it may explain.
    const warning = misfitWarning(deps.client);
    if (warning !== undefined) deps.view.say(warning);
  }
}

/** Whether an API refused the field because it doesn't know it. */
function takesNoLogins(error: unknown): boolean {
  if (!(error instanceof KilnProblem) || error.problem.code !== 'invalid_request') return false;
  return error.problem.errors.some(({ field, expected }) => field === 'registryLogins' && expected === 'no such field');
}

async function submitOnce(options: Omit<SubmitOptions, 'contexts'>, deps: SubmitDeps): Promise<BuildView> {
  const { request, source, idempotencyKey } = options;
  if (source.tar) return (await import('./submit-tar.ts')).submitTar(source.tar, options, deps);
  const call = new SubmitCall(deps, idempotencyKey);
  return source.context ? submitTree(source.context, { request, call }, deps) : call.send(request);
}

async function withContexts({ request, contexts }: SubmitOptions, deps: SubmitDeps): Promise<BuildRequestInput> {
  if (contexts.length === 0) return request;
  // Most builds have a single context.
  const { sendNamedContexts } = await import('./send-named.ts');
  const sent = await sendNamedContexts(contexts, { ...deps, team: request.team });
  return { ...request, buildContexts: { ...request.buildContexts, ...sent } };
}
