import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { KilnClient } from '@kiln/client';
import { type BuildView, failureSentence } from '@kiln/contracts';
import type { LocalInvocation } from '../../framework/command.ts';
import { type FlagValues, parseFlags } from '../../framework/flags.ts';
import { FlagError, UsageError } from '../../io/errors.ts';
import type { Io } from '../../io/output.ts';
import { BUILD_FLAGS } from '../build/request/build-flags.ts';
import { runBuild } from '../build/run-build.ts';
import { failingLine } from './failing-line.ts';
import { GroupedView } from './grouped-view.ts';
import { type CiInputs, readInputs } from './inputs.ts';
import { jobLog } from './job-log.ts';
import { outputsOf, savedBy, summaryOf, writeReport } from './report.ts';
import { gitContext, PREFIXES, type Runner, runnerOf } from './runners.ts';

/** Builds in a job of a CI system. @throws UsageError, and the errors of the client */
export async function runCi({ operands, io: given }: LocalInvocation<Record<never, never>>): Promise<number> {
  const runner = runnerOf(given.env, operands[0]);
  const inputs = readInputs(given.env, PREFIXES[runner], gitContext(runner, given.env));
  // One stream, so that groups and messages stay in their order.
  const io: Io = { ...given, err: given.out, env: { ...given.env, ...connection(runner, given.env), ...inputs.env } };
  for (const warning of inputs.warnings) io.err.line(`kiln: ${warning}`);
  const { flags, operands: contexts } = parsed(inputs);
  const log = jobLog(runner, () => Math.floor(io.now() / 1_000));
  const view = new GroupedView(io.out, log);
  return runBuild(
    { flags, operands: contexts, io },
    {
      view,
      submitted: async (build, client) => {
        io.out.line(`kiln: ${pageOf(client, build)}`);
        // For what runs after a job that was canceled.
        const file = io.env.KILN_CI_ID_FILE;
        if (file) await writeFile(resolve(io.cwd, file), `${build.id}\n`);
      },
      ended: async (build, client) => {
        const { failure, state } = build;
        const line = failingLine(failure?.excerpt);
        const { dockerfile } = inputs;
        const message = failure && failureSentence(state, failure);
        if (message !== undefined && state === 'failed') io.out.write(log.error(message, { file: dockerfile, line }));
        const url = pageOf(client, build);
        const savedMs = await savedBy(client, build.id);
        const at = message !== undefined && dockerfile !== undefined && line !== undefined;
        await writeReport(
          runner,
          {
            outputs: outputsOf(build),
            summary: summaryOf(build, { url, savedMs, dockerfile, line }),
            url,
            failure: at ? { message, file: dockerfile, line } : undefined,
          },
          io,
        );
      },
    },
  );
}

function parsed({ args }: CiInputs): { flags: FlagValues<typeof BUILD_FLAGS>; operands: readonly string[] } {
  try {
    return parseFlags(args, BUILD_FLAGS);
  } catch (error) {
    throw error instanceof FlagError ? new UsageError(`inputs: ${error.message}`) : error;
  }
}

/** The connection, where the settings of a plugin give it, and the identity that the CI system gives its jobs. */
function connection(runner: Runner, env: Io['env']): Record<string, string> {
  const prefix = PREFIXES[runner];
  const url = env[`${prefix}URL`];
  const token = env[`${prefix}TOKEN`];
  const hasIdentity = runner === 'github' && Boolean(env.ACTIONS_ID_TOKEN_REQUEST_URL);
  return {
    ...(url && { KILN_URL: url }),
    ...(token && { KILN_TOKEN: token }),
    ...(hasIdentity && !token && !env.KILN_TOKEN && { KILN_OIDC: 'github' }),
  };
}

function pageOf({ url }: KilnClient, { id }: BuildView): string {
  return `${url}/builds/${id}`;
}
