import type { BuildRequestInput } from '@kiln/contracts';
import type { FlagValues } from '../../framework/flags.ts';
import { FlagError, UsageError } from '../../io/errors.ts';
import type { Io } from '../../io/output.ts';
import { endOfStage } from '../../io/stages.ts';
import type { BUILD_FLAGS } from './request/build-flags.ts';
import { type BuildFlags, buildRequestOf, type RequestOptions } from './request/build-request.ts';
import { buildxWarnings } from './request/buildx-compat.ts';
import { cacheWarnings } from './request/cache-flags.ts';
import { planCall } from './request/call-flag.ts';
import { givenContexts } from './request/context-flag.ts';
import { makesImage, type OutputPlan, outputWarnings, planOutput } from './request/output-flag.ts';
import { readSecrets } from './request/secret-flag.ts';
import { type BuildSource, readSource } from './request/source.ts';
import { checkDestinations } from './result/check-destinations.ts';
import type { SubmitOptions } from './submit/submit.ts';

/** A build that is ready to be submitted. */
export interface PreparedBuild extends SubmitOptions {
  readonly plan: OutputPlan;
}

export interface PrepareOptions {
  readonly flags: FlagValues<typeof BUILD_FLAGS>;
  /** The build context. */
  readonly operand: string;
  /** A Dockerfile that is in no file. */
  readonly dockerfileText?: string | undefined;
  readonly io: Io;
}

/** Reads everything that a build needs of this machine, and checks it, before anything is sent. Prints warnings. @throws UsageError */
export async function prepareBuild({ flags, operand, dockerfileText, io }: PrepareOptions): Promise<PreparedBuild> {
  warn(io, [...buildxWarnings(flags), ...cacheWarnings(flags)]);
  const call = planCall(flags);
  const plan: OutputPlan = call ? { output: { type: 'none' }, names: [], call } : planOutput(flags);
  if (!call) warn(io, outputWarnings(plan, flags));
  checkOutputs(plan, flags, io);
  await checkDestinations({ ...flags, plan, cwd: io.cwd, env: io.env });
  const { file, ref, repo } = flags;
  const contexts = givenContexts(flags['build-context'], io.cwd);
  const source = await readSource({ operand, file, dockerfileText, ref, repo, io });
  endOfStage('walk');
  const skipped = source.context?.skipped ?? [];
  warn(
    io,
    skipped.map((path) => `${path} is not a file, directory or symbolic link; not sent`),
  );
  const secrets = await readSecrets(flags.secret, io.env, io.cwd);
  warn(io, secrets.warnings);
  const request = await withLogins(flags, { ...source, contexts }, io, {
    plan,
    secrets,
    source: source.source,
    dockerfile: source.dockerfile,
  });
  return { request, source, contexts, idempotencyKey: flags['idempotency-key'], plan };
}

/** Builds the request, with this machine's logins to the registries that it names. */
async function withLogins(
  flags: BuildFlags,
  { dockerfileContent: dockerfile, contexts }: Pick<BuildSource, 'dockerfileContent'> & Pick<SubmitOptions, 'contexts'>,
  { env, err }: Io,
  options: Omit<RequestOptions, 'flags' | 'env'>,
): Promise<BuildRequestInput> {
  const request = buildRequestOf({ flags, env, ...options });
  const { clientLogins, isSwitchedOff } = await import('./logins/client-logins.ts');
  if (isSwitchedOff(flags['no-client-logins'], env)) return request;
  const { logins, warnings } = await clientLogins(request, { env, more: flags['client-login'], dockerfile, contexts });
  for (const warning of warnings) err.line(`kiln: ${warning}`);
  return logins.length > 0 ? { ...request, registryLogins: [...logins] } : request;
}

function warn(io: Io, warnings: readonly string[]): void {
  for (const warning of warnings) io.err.line(`kiln: ${warning}`);
}

function checkOutputs(plan: OutputPlan, flags: BuildFlags, io: Io): void {
  if (plan.destinations?.some(({ type }) => type === 'stdout')) {
    if (io.out.isTerminal) {
      throw new UsageError("can't write a tar to a terminal; use -o type=tar,dest=FILE, or a pipe");
    }
    if (flags.json) throw new FlagError('--json cannot be combined with an output on standard output');
  }
  if (plan.call) {
    for (const flag of ['detach', 'json'] as const)
      if (flags[flag]) throw new FlagError(`--${flag} cannot be combined with --call, which prints its result`);
    return;
  }
  if (flags.iidfile !== undefined && !makesImage(plan)) {
    throw new FlagError('--iidfile: this build makes no image that has an ID; add --load or --push');
  }
  if (flags.quiet && plan.output.type === 'none' && !flags.detach && !flags.json) {
    throw new FlagError(
      '--quiet prints the ID of the image, and this build makes none; add --load, --push or --output, or use --progress quiet',
    );
  }
  if (flags.detach && plan.destinations) {
    const isLoad = plan.destinations.every(({ type }) => type === 'engine');
    const [what, instead] = isLoad
      ? ['--load', 'this command loads the image when the build has ended; use --load=host']
      : ['--output', 'this command fetches the files when the build has ended'];
    throw new FlagError(`--detach cannot be combined with ${what}: ${instead}`);
  }
}
