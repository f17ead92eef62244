import { tokenKind } from '@kiln/domain';
import type { LocalInvocation } from '../../framework/command.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { connect } from '../../server/connect.ts';
import { changeContexts, contextNamed, readContexts, withContext } from '../../server/contexts.ts';

const TIMEOUT_MS = 5_000;

/** Removes the token of a context, and ends its session. @throws UsageError */
export async function runLogout({ operands, io }: LocalInvocation<Record<never, never>>): Promise<number> {
  const before = await readContexts(io.env);
  const name = operands[0] ?? before.current;
  if (name === undefined) throw new UsageError('NAME is required: there is no context in use; see `kiln context ls`');
  const { url, token } = contextNamed(before, name, 'NAME');
  if (token === undefined) {
    io.err.line(`Not logged in to ${name}`);
    return EXIT.ok;
  }
  const failed = tokenKind(token) === 'session' ? await endSession(url, token) : undefined;
  await changeContexts(io.env, (now) => withContext(now, name, { url }, false));
  io.err.line(`Logged out of ${name}`);
  if (failed !== undefined)
    io.err.line(`kiln: the session on the server may still be valid until it expires: ${failed}`);
  return EXIT.ok;
}

/** Ends the session. Returns why that failed; one that has ended already has not failed. */
async function endSession(url: string, token: string): Promise<string | undefined> {
  try {
    await connect({ url, token, from: 'context' }).logout({ signal: AbortSignal.timeout(TIMEOUT_MS) });
    return undefined;
  } catch (error) {
    const { KilnProblem } = await import('@kiln/client');
    if (error instanceof KilnProblem && error.problem.code === 'unauthorized') return undefined;
    return error instanceof Error ? error.message : String(error);
  }
}
