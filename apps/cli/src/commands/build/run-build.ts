import type { KilnClient } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import { cacheHome } from '../../context/digests/digest-cache.ts';
import type { LocalInvocation } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { endOfStage } from '../../io/stages.ts';
import { chooseView, readMode } from '../../progress/choose-view.ts';
import type { ProgressView } from '../../progress/view.ts';
import { connect } from '../../server/connect.ts';
import { findServer } from '../../server/find-server.ts';
import { Interrupted, Interruption } from './follow/interruption.ts';
import { outcomeCode } from './follow/outcome.ts';
import { reportBuild } from './follow/report-build.ts';
import { prepareBuild } from './prepare-build.ts';
import type { BUILD_FLAGS } from './request/build-flags.ts';
import type { OutputPlan } from './request/output-flag.ts';
import { imageId, writeResultFiles } from './result/metadata.ts';
import { submit } from './submit/submit.ts';

/** What a caller adds to a build. */
export interface BuildHooks {
  /** Shows the build instead of the view that the flags ask for. */
  readonly view?: ProgressView;
  readonly submitted?: (build: BuildView, client: KilnClient) => Promise<void> | void;
  readonly ended?: (build: BuildView, client: KilnClient) => Promise<void> | void;
}

/** Submits a build, follows it and fetches its result. Returns the exit code. @throws UsageError, and the errors of the client */
export async function runBuild(
  { flags, operands, io }: LocalInvocation<typeof BUILD_FLAGS>,
  hooks: BuildHooks = {},
): Promise<number> {
  endOfStage('start');
  const mode = readMode(flags, io);
  const prepared = await prepareBuild({ flags, operand: operands[0] ?? '.', io });
  const client = connect(await findServer(flags, io.env));

  const view = hooks.view ?? (await chooseView(mode, io));
  using interruption = new Interruption(io, () => view.close());
  try {
    const deps = { client, view, interruption, cacheHome: cacheHome(io.env) };
    const submitted = await submit(prepared, deps);
    await hooks.submitted?.(submitted, client);
    if (flags.detach) {
      view.close();
      io.out.line(flags.json ? JSON.stringify(submitted) : submitted.id);
      return EXIT.ok;
    }
    const ended = await reportBuild({ client, build: submitted, view, interruption, json: flags.json, io });
    await hooks.ended?.(ended, client);
    if (ended.state === 'succeeded') {
      await writeResultFiles(ended, { metadataFile: flags['metadata-file'], iidFile: flags.iidfile, cwd: io.cwd });
      const code = await fetchResult(client, ended, prepared.plan, io);
      if (code !== EXIT.ok) return code;
      if (mode === 'quiet' && !flags.json && !prepared.plan.call) printImageId(ended, io);
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

/** Downloads the files of a build's result if `-o` asks for them, or prints what `--call` asked for. Returns the exit code. @throws as `fetchArtifact` */
export async function fetchResult(
  client: KilnClient,
  build: BuildView,
  { destinations, call }: Pick<OutputPlan, 'destinations' | 'call'>,
  io: Io,
): Promise<number> {
  if (call) return (await import('./result/print-call.ts')).printCall(client, build, call, io);
  if (!destinations) return EXIT.ok;
  // Most builds make images.
  const { fetchArtifact } = await import('./result/artifact.ts');
  await fetchArtifact(client, build, destinations, io);
  return EXIT.ok;
}

function printImageId(build: BuildView, io: Io): void {
  const id = imageId(build);
  if (id !== undefined) io.out.line(id);
}
