import type { BuildView } from '@kiln/contracts';
import { CONNECTION_FLAGS, connect, findServer } from '../../server/find-server.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { parseFlags } from '../../framework/flags.ts';
import { type HelpPage, renderHelp } from '../../framework/help.ts';
import type { Io } from '../../io/output.ts';
import { failureSummary } from '../../progress/failure-summary.ts';
import { ProgressModel } from '../../progress/model.ts';
import { fetchArtifact } from './result/artifact.ts';
import { buildxWarnings } from './request/buildx-compat.ts';
import { chooseView, readMode } from '../../progress/choose-view.ts';
import { DOCKER_FLAGS, IGNORED_FLAGS, KILN_FLAGS, REFUSED_FLAGS } from './request/build-flags.ts';
import { followBuild, introduction } from './follow/follow-build.ts';
import { Interrupted, Interruption } from './follow/interruption.ts';
import { imageId, writeResultFiles } from './result/metadata.ts';
import { outcomeCode } from './follow/outcome.ts';
import { type OutputPlan, planOutput } from './request/output-flag.ts';
import { type BuildFlags, buildRequestOf } from './request/build-request.ts';
import { readSecrets } from './request/secret-flag.ts';
import { readSource } from './request/source.ts';
import { submit } from './follow/submit.ts';

const FLAGS = {
  ...DOCKER_FLAGS,
  ...KILN_FLAGS,
  ...CONNECTION_FLAGS,
  ...IGNORED_FLAGS,
  ...REFUSED_FLAGS,
  help: { kind: 'bool', short: 'h' },
} as const;

export const BUILD_HELP: HelpPage = {
  usage: 'kiln build [FLAGS] [PATH | GIT_URL | -]',
  about:
    'Builds an image on a host of the pool. Takes the flags of `docker buildx build`, and means the same by them. ' +
    'The context is a directory (default: this one), a git repository (https://host/repo.git#ref:subdir), or - for a tar on standard input.',
  sections: [
    { title: 'As in docker buildx build', flags: DOCKER_FLAGS },
    { title: "Kiln's own", flags: KILN_FLAGS },
    { title: 'Connection', flags: CONNECTION_FLAGS },
  ],
  notes: `Passed over with a warning: ${flagNames(IGNORED_FLAGS)}.
Refused: ${flagNames(REFUSED_FLAGS)}.

Exit codes:
  0    the build succeeded
  1    the build failed, or somebody else canceled it
  3    a newer build superseded it
  125  wrong usage, or Kiln refused or didn't answer
  130  canceled by Ctrl-C (a second Ctrl-C leaves without waiting)`,
};

function flagNames(table: Readonly<Record<string, unknown>>): string {
  return Object.keys(table)
    .map((name) => `--${name}`)
    .join(' ');
}

/** `kiln build`. Gives back the exit code. */
export async function buildCommand(args: readonly string[], io: Io): Promise<number> {
  const { flags, operands } = parseFlags(args, FLAGS);
  if (flags.help) {
    io.out.write(renderHelp(BUILD_HELP, io.out.columns));
    return EXIT.ok;
  }
  if (operands.length > 1) throw new UsageError(`one context only, but got ${operands.join(' ')}`);
  for (const warning of buildxWarnings(flags)) io.err.line(`kiln: ${warning}`);
  const plan = planOutput(flags);
  const mode = readMode(flags, io);
  checkDestinations(plan, flags, io);
  const server = await findServer(flags, io.env);
  const client = connect(server);
  const source = await readSource({
    operand: operands[0] ?? '.',
    file: flags.file,
    ref: flags.ref,
    repo: flags.repo,
    io,
  });
  for (const path of source.context?.skipped ?? [])
    io.err.line(`kiln: ${path} is neither file, directory nor link: not sent`);
  const secrets = await readSecrets(flags.secret, io.env, io.cwd);
  for (const warning of secrets.warnings) io.err.line(`kiln: ${warning}`);
  const request = buildRequestOf({
    flags,
    env: io.env,
    plan,
    secrets: secrets.values,
    source: source.source,
    dockerfile: source.dockerfile,
  });
  // Before a context is sent for nothing: is anybody there, and are we let in?
  await client.list({ limit: 1 });

  const view = chooseView(mode, io);
  using interruption = new Interruption(io, () => view.close());
  try {
    const build = await submit({
      client,
      request,
      source,
      idempotencyKey: flags['idempotency-key'],
      view,
      interruption,
    });
    if (flags.detach) {
      view.close();
      io.out.line(flags.json ? JSON.stringify(build) : build.id);
      return EXIT.ok;
    }
    view.say(introduction(build));
    const model = new ProgressModel();
    const ended = await followBuild({ client, build, view, model, interruption });
    view.close();
    if (flags.json) io.out.line(JSON.stringify({ type: 'build', build: ended }));
    if (ended.state !== 'succeeded') io.err.write(failureSummary(ended, model, io.err));
    else {
      await writeResultFiles(ended, { metadataFile: flags['metadata-file'], iidFile: flags.iidfile, cwd: io.cwd });
      if (plan.destination) await fetchArtifact(client, ended, plan.destination, io);
      if (mode === 'quiet' && !flags.json) printImageId(ended, io);
    }
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

function checkDestinations({ destination }: OutputPlan, flags: BuildFlags, io: Io): void {
  if (destination?.type === 'stdout') {
    if (io.out.isTerminal)
      throw new UsageError("a tar isn't for a terminal: give -o type=tar,dest=FILE, or pipe it on");
    if (flags.json) throw new UsageError('--json and an output on standard output: choose one');
  }
  if (flags.detach && destination) throw new UsageError('--detach: nobody would be there to take the --output');
}

function printImageId(build: BuildView, io: Io): void {
  const id = imageId(build);
  if (id !== undefined) io.out.line(id);
}
