import type { BuildRequestInput, BuildView } from '@kiln/contracts';
import { cacheHome } from '../../context/digests/digest-cache.ts';
import type { LocalInvocation } from '../../framework/command.ts';
import { FlagError, UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { endOfStage } from '../../io/stages.ts';
import { chooseView, readMode } from '../../progress/choose-view.ts';
import { connect } from '../../server/connect.ts';
import { findServer } from '../../server/find-server.ts';
import { Interrupted, Interruption } from './follow/interruption.ts';
import { outcomeCode } from './follow/outcome.ts';
import { reportBuild } from './follow/report-build.ts';
import type { BUILD_FLAGS } from './request/build-flags.ts';
import { type BuildFlags, buildRequestOf, type RequestOptions } from './request/build-request.ts';
import { buildxWarnings } from './request/buildx-compat.ts';
import { cacheWarnings } from './request/cache-flags.ts';
import { givenContexts } from './request/context-flag.ts';
import { type OutputPlan, planOutput } from './request/output-flag.ts';
import { readSecrets } from './request/secret-flag.ts';
import { type BuildSource, readSource } from './request/source.ts';
import { checkDestinations } from './result/check-destinations.ts';
import { imageId, writeResultFiles } from './result/metadata.ts';
import { submit } from './submit/submit.ts';

/** Submits a build, follows it and fetches its result. Returns the exit code. @throws UsageError, and the errors of the client */
export async function runBuild({ flags, operands, io }: LocalInvocation<typeof BUILD_FLAGS>): Promise<number> {
  endOfStage('start');
  warn(io, [...buildxWarnings(flags), ...cacheWarnings(flags)]);
  const plan = planOutput(flags);
  const mode = readMode(flags, io);
  checkOutputs(plan, flags, io);
  await checkDestinations({ ...flags, plan, cwd: io.cwd });
  const client = connect(await findServer(flags, io.env));
  const { file, ref, repo } = flags;
  const contexts = givenContexts(flags['build-context'], io.cwd);
  const source = await readSource({ operand: operands[0] ?? '.', file, ref, repo, io });
  endOfStage('walk');
  const skipped = source.context?.skipped ?? [];
  warn(
    io,
    skipped.map((path) => `${path} is not a file, directory or symbolic link; not sent`),
  );
  const secrets = await readSecrets(flags.secret, io.env, io.cwd);
  warn(io, secrets.warnings);
  const request = await withLogins(flags, source, io, {
    plan,
    secrets: secrets.values,
    source: source.source,
    dockerfile: source.dockerfile,
  });

  const view = await chooseView(mode, io);
  using interruption = new Interruption(io, () => view.close());
  try {
    const idempotencyKey = flags['idempotency-key'];
    const deps = { client, view, interruption, cacheHome: cacheHome(io.env) };
    const submitted = await submit({ request, source, contexts, idempotencyKey }, deps);
    if (flags.detach) {
      view.close();
      io.out.line(flags.json ? JSON.stringify(submitted) : submitted.id);
      return EXIT.ok;
    }
    const ended = await reportBuild({ client, build: submitted, view, interruption, json: flags.json, io });
    if (ended.state === 'succeeded') {
      await writeResultFiles(ended, { metadataFile: flags['metadata-file'], iidFile: flags.iidfile, cwd: io.cwd });
      if (plan.destination) {
        const { fetchArtifact } = await import('./result/artifact.ts');
        await fetchArtifact(client, ended, plan.destination, io);
      }
      if (mode === 'quiet' && !flags.json) printImageId(ended, io);
    }
    endOfStage('result');
    return outcomeCode(ended, interruption.requested);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    view.close();
    io.err.line('kiln: interrupted; nothing was submitted');
    return EXIT.interrupted;
  } finally {
    view.close();
  }
}

/** Builds the request, with this machine's logins to the registries that it names. */
async function withLogins(
  flags: BuildFlags,
  { dockerfileContent: dockerfile }: BuildSource,
  { env, err }: Io,
  options: Omit<RequestOptions, 'flags' | 'env'>,
): Promise<BuildRequestInput> {
  const request = buildRequestOf({ flags, env, ...options });
  const { clientLogins, isSwitchedOff } = await import('./logins/client-logins.ts');
  if (isSwitchedOff(flags['no-client-logins'], env)) return request;
  const { logins, warnings } = await clientLogins(request, { env, more: flags['client-login'], dockerfile });
  for (const warning of warnings) err.line(`kiln: ${warning}`);
  return logins.length > 0 ? { ...request, registryLogins: [...logins] } : request;
}

function warn(io: Io, warnings: readonly string[]): void {
  for (const warning of warnings) io.err.line(`kiln: ${warning}`);
}

function checkOutputs({ output, destination }: OutputPlan, flags: BuildFlags, io: Io): void {
  if (destination?.type === 'stdout') {
    if (io.out.isTerminal) {
      throw new UsageError("can't write a tar to a terminal; use -o type=tar,dest=FILE, or a pipe");
    }
    if (flags.json) throw new FlagError('--json cannot be combined with an output on standard output');
  }
  const isImage = output === 'push' || output === 'load';
  if (flags.iidfile !== undefined && !isImage) {
    throw new FlagError('--iidfile: this build makes no image that has an ID; add --load or --push');
  }
  if (flags.quiet && output === 'none' && !flags.detach && !flags.json) {
    throw new FlagError(
      '--quiet prints the ID of the image, and this build makes none; add --load, --push or --output, or use --progress quiet',
    );
  }
  if (flags.detach && destination) throw new FlagError('--detach cannot be combined with --output');
}

function printImageId(build: BuildView, io: Io): void {
  const id = imageId(build);
  if (id !== undefined) io.out.line(id);
}
