import type { BuildView } from '@kiln/contracts';
import { type CommandSpec, defineCommand, HELP_FLAG, type LocalInvocation } from '../../framework/command.ts';
import { FlagError, UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { chooseView, readMode } from '../../progress/choose-view.ts';
import { CONNECTION_FLAGS, CONNECTION_SECTION, connect, findServer } from '../../server/find-server.ts';
import { Interrupted, Interruption } from './follow/interruption.ts';
import { outcomeCode } from './follow/outcome.ts';
import { reportBuild } from './follow/report-build.ts';
import { submit } from './follow/submit.ts';
import { DOCKER_FLAGS, IGNORED_FLAGS, KILN_FLAGS, REFUSED_FLAGS } from './request/build-flags.ts';
import { type BuildFlags, buildRequestOf } from './request/build-request.ts';
import { buildxWarnings } from './request/buildx-compat.ts';
import { type OutputPlan, planOutput } from './request/output-flag.ts';
import { readSecrets } from './request/secret-flag.ts';
import { readSource } from './request/source.ts';
import { fetchArtifact } from './result/artifact.ts';
import { imageId, writeResultFiles } from './result/metadata.ts';

const FLAGS = { ...DOCKER_FLAGS, ...KILN_FLAGS, ...CONNECTION_FLAGS, ...IGNORED_FLAGS, ...REFUSED_FLAGS } as const;

const SPEC: CommandSpec<typeof FLAGS> = {
  name: 'build',
  synopsis: '[PATH | GIT_URL | -]',
  summary: 'Build an image on the pool, with the flags of docker buildx build',
  description:
    'Build an image on a host of the pool. The flags of docker buildx build are accepted with the same meaning.\n\n' +
    'The build context is a directory (default: the current one), a git repository (https://host/repo.git#ref:subdir), or - for a tar on standard input.',
  examples: [
    '# Build the current directory and push the image',
    'kiln build --push -t registry.example.org/acme/app:1.2 .',
    '# Build a branch of a git repository and take the files of a stage',
    'kiln build --target dist -o ./out https://github.com/acme/app.git#main',
    '# Submit a build without following it',
    'kiln build -d https://github.com/acme/app.git#v1.2',
  ],
  notes: [
    { title: 'Ignored with a warning', lines: flagLines(IGNORED_FLAGS) },
    { title: 'Refused', lines: flagLines(REFUSED_FLAGS) },
  ],
  exitCodes: [
    ['0', 'the build succeeded'],
    ['1', 'the build failed, or someone else canceled it'],
    ['3', 'a newer build superseded it'],
    ['125', 'wrong usage, or Kiln refused or did not respond'],
    ['130', 'canceled by Ctrl-C (a second Ctrl-C exits without waiting)'],
  ],
  operands: [0, 1],
  flags: FLAGS,
};

/** The names of flags, several per line. */
function flagLines(table: Readonly<Record<string, unknown>>): string[] {
  const names = Object.keys(table).map((name) => `--${name}`);
  return Array.from({ length: Math.ceil(names.length / 5) }, (_, i) => names.slice(5 * i, 5 * i + 5).join(' '));
}

export const buildCommand = defineCommand(
  SPEC,
  [
    { title: 'Flags of docker buildx build', flags: DOCKER_FLAGS },
    { title: 'Flags of Kiln', flags: { ...KILN_FLAGS, ...HELP_FLAG } },
    CONNECTION_SECTION,
  ],
  build,
);

async function build({ flags, operands, io }: LocalInvocation<typeof FLAGS>): Promise<number> {
  warn(io, buildxWarnings(flags));
  const plan = planOutput(flags);
  const mode = readMode(flags, io);
  checkDestination(plan, flags, io);
  const client = connect(await findServer(flags, io.env));
  const { file, ref, repo } = flags;
  const source = await readSource({ operand: operands[0] ?? '.', file, ref, repo, io });
  const skipped = source.context?.skipped ?? [];
  warn(
    io,
    skipped.map((path) => `${path} is not a file, directory or symbolic link; not sent`),
  );
  const secrets = await readSecrets(flags.secret, io.env, io.cwd);
  warn(io, secrets.warnings);
  const request = buildRequestOf({
    flags,
    env: io.env,
    plan,
    secrets: secrets.values,
    source: source.source,
    dockerfile: source.dockerfile,
  });
  // Fail before a large context is sent: is the API reachable, and is the token accepted?
  await client.list({ limit: 1 });

  const view = chooseView(mode, io);
  using interruption = new Interruption(io, () => view.close());
  try {
    const idempotencyKey = flags['idempotency-key'];
    const submitted = await submit({ client, request, source, idempotencyKey, view, interruption });
    if (flags.detach) {
      view.close();
      io.out.line(flags.json ? JSON.stringify(submitted) : submitted.id);
      return EXIT.ok;
    }
    const ended = await reportBuild({ client, build: submitted, view, interruption, json: flags.json, io });
    if (ended.state === 'succeeded') {
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

function warn(io: Io, warnings: readonly string[]): void {
  for (const warning of warnings) io.err.line(`kiln: ${warning}`);
}

function checkDestination({ destination }: OutputPlan, flags: BuildFlags, io: Io): void {
  if (destination?.type === 'stdout') {
    if (io.out.isTerminal) {
      throw new UsageError("can't write a tar to a terminal; use -o type=tar,dest=FILE, or a pipe");
    }
    if (flags.json) throw new FlagError('--json cannot be combined with an output on standard output');
  }
  if (flags.detach && destination) throw new FlagError('--detach cannot be combined with --output');
}

function printImageId(build: BuildView, io: Io): void {
  const id = imageId(build);
  if (id !== undefined) io.out.line(id);
}
