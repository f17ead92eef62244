import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type KilnClient, KilnProblem } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import { cacheHome } from '../../context/digests/digest-cache.ts';
import type { LocalInvocation } from '../../framework/command.ts';
import { type FlagValues, parseFlags } from '../../framework/flags.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { chooseView, readMode } from '../../progress/choose-view.ts';
import { failureSummary } from '../../progress/failure-summary.ts';
import { JoinedView } from '../../progress/joined-view.ts';
import { ProgressModel } from '../../progress/model.ts';
import { connect } from '../../server/connect.ts';
import { findServer } from '../../server/find-server.ts';
import { followBuild } from '../build/follow/follow-build.ts';
import { Interrupted, Interruption } from '../build/follow/interruption.ts';
import { outcomeCode } from '../build/follow/outcome.ts';
import { prepareBuild } from '../build/prepare-build.ts';
import { BUILD_FLAGS } from '../build/request/build-flags.ts';
import { checkDestinations } from '../build/result/check-destinations.ts';
import { metadata } from '../build/result/metadata.ts';
import { fetchResult } from '../build/run-build.ts';
import { submit } from '../build/submit/submit.ts';
import type { SubmitDeps } from '../build/submit/submit-call.ts';
import { type BAKE_FLAGS, DEFINITION_FLAGS, TARGET_FLAGS } from './bake-flags.ts';
import { type BakeTarget, bakeTargets } from './bake-target.ts';
import { type BakeDefinition, evaluateBake } from './evaluate-bake.ts';
import { checkLinked, linkedRequest, linkedWarnings, type PreparedTarget } from './linked-request.ts';

type BakeFlagValues = FlagValues<typeof BAKE_FLAGS>;

/** Targets of one build, with its own first. */
type Prepared = readonly [PreparedTarget, ...PreparedTarget[]];

interface Baked {
  readonly targets: Prepared;
  readonly build: BuildView;
  readonly model: ProgressModel;
}

export interface BakeInvocation extends LocalInvocation<typeof BAKE_FLAGS> {
  /** Changes what buildx made of the files. */
  adapt?(definition: BakeDefinition): BakeDefinition;
}

/** Builds the targets of bake files. Returns the exit code. @throws UsageError, and the errors of the client */
export async function runBake({ flags, operands, io, adapt }: BakeInvocation): Promise<number> {
  if (flags.builder !== undefined) io.err.line('kiln: --builder is ignored: Kiln chooses the host and its builder');
  const printed =
    (await evaluateBake([...definitionArgs(flags), ...operands], io)) ?? (await evaluatedThere(flags, operands, io));
  const made = JSON.parse(printed) as BakeDefinition;
  const definition = adapt?.(made) ?? made;
  if (flags.print) {
    io.out.write(adapt ? `${JSON.stringify(definition, null, 2)}\n` : printed);
    return EXIT.ok;
  }
  await checkDestinations({ 'metadata-file': flags['metadata-file'], iidfile: undefined, plan: {}, ...io });
  const mode = readMode({ progress: flags.progress, quiet: false, json: false }, io);
  const prepared = await prepareAll(bakeTargets(definition), flags, io);
  const client = connect(await findServer(flags, io.env));
  const view = await chooseView(mode, io);
  using interruption = new Interruption(io, () => view.close());
  const joined = new JoinedView(view);
  try {
    const deps = { client, interruption, cacheHome: cacheHome(io.env) };
    const baked = await buildAll(prepared, joined, deps);
    const isWhole = baked.every(({ build }) => build.state === 'succeeded');
    joined.end(isWhole ? 'succeeded' : 'failed');
    for (const { targets, build, model } of baked)
      if (build.state !== 'succeeded') io.err.write(`\n${heading(targets)}:\n${failureSummary(build, model, io.err)}`);
    const found = await writeResults(baked, flags, client, io);
    const codes = [...baked.map(({ build }) => outcomeCode(build, interruption.requested)), ...found];
    return codes.find((code) => code !== EXIT.ok) ?? EXIT.ok;
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    view.close();
    io.err.line('kiln: interrupted');
    return EXIT.interrupted;
  } finally {
    view.close();
  }
}

/** Has a host evaluate the files, because this machine has no buildx. */
async function evaluatedThere(flags: BakeFlagValues, targets: readonly string[], io: Io): Promise<string> {
  const given = (['push', 'load', 'no-cache', 'pull'] as const).filter((flag) => flags[flag]);
  const [{ collectBake }, { evaluateOnHost }] = await Promise.all([
    import('./collect-bake.ts'),
    import('./evaluate-on-host.ts'),
  ]);
  const bake = await collectBake({ file: flags.file, set: flags.set, flags: given, targets }, io);
  const client = connect(await findServer(flags, io.env));
  return await evaluateOnHost(bake, { client, team: flags.team ?? (io.env.KILN_TEAM || undefined), now: io.now });
}

/** Reads everything that the targets need, so that nothing is sent if one of them can't be built. */
async function prepareAll(
  groups: readonly (readonly [BakeTarget, ...BakeTarget[]])[],
  given: BakeFlagValues,
  io: Io,
): Promise<readonly Prepared[]> {
  if (groups.length === 0) throw new UsageError('the bake files have no target to build');
  const ofKiln = Object.fromEntries(Object.keys(TARGET_FLAGS).map((flag) => [flag, given[flag as keyof typeof given]]));
  const prepare = async (target: BakeTarget): Promise<PreparedTarget> => {
    const { name, args, operand, dockerfileText } = target;
    const flags = { ...parseFlags(args, BUILD_FLAGS).flags, ...ofKiln } as FlagValues<typeof BUILD_FLAGS>;
    try {
      return { target, prepared: await prepareBuild({ flags, operand, dockerfileText, io }) };
    } catch (error) {
      throw error instanceof UsageError ? new UsageError(`target ${name}: ${error.message}`) : error;
    }
  };
  const prepared: Prepared[] = [];
  for (const [own, ...others] of groups) {
    const targets: [PreparedTarget, ...PreparedTarget[]] = [await prepare(own)];
    for (const other of others) targets.push(await prepare(other));
    checkLinked(targets);
    for (const warning of linkedWarnings(targets)) io.err.line(`kiln: ${warning}`);
    prepared.push(targets);
  }
  return prepared;
}

interface BuildAllDeps {
  readonly client: KilnClient;
  readonly interruption: Interruption;
  readonly cacheHome: string | undefined;
}

/** Submits one build after the other, because they mostly have files in common, and follows all of them until they have ended. */
async function buildAll(
  prepared: readonly Prepared[],
  joined: JoinedView,
  deps: BuildAllDeps,
): Promise<readonly Baked[]> {
  const following: Promise<Baked>[] = [];
  const submitted: BuildView[] = [];
  try {
    for (const targets of prepared) {
      const [own, ...others] = targets;
      // The steps of several targets have their names from buildx.
      const view = joined.of(own.target.name, { namesSteps: others.length === 0 });
      const build = await submitTargets(targets, { ...deps, view });
      submitted.push(build);
      view.say(`build ${build.id}`);
      const model = new ProgressModel();
      const followed = followBuild({ ...deps, build, view, model }).then((ended) => ({ targets, build: ended, model }));
      // The first error counts, below.
      followed.catch(() => {});
      following.push(followed);
    }
  } catch (error) {
    // A part of what was asked for isn't wanted. After Ctrl-C, those who follow the builds cancel them.
    if (!deps.interruption.requested) await cancelAll(submitted, deps.client, joined);
    await Promise.allSettled(following);
    throw error;
  }
  return await Promise.all(following);
}

/** Submits a build of the targets. @throws the errors of `submit` */
async function submitTargets(targets: Prepared, deps: SubmitDeps): Promise<BuildView> {
  const [{ prepared }] = targets;
  if (targets.length === 1) return await submit(prepared, deps);
  try {
    const request = await linkedRequest(targets, { ...deps, team: prepared.request.team });
    return await submit({ ...prepared, request }, deps);
  } catch (error) {
    const isUnknown =
      error instanceof KilnProblem &&
      error.problem.errors.some(({ field, expected }) => field === 'bake' && expected === 'no such field');
    throw isUnknown
      ? new UsageError(
          `the server is of a version that can’t build targets that are linked (${namesOf(targets)}); update it`,
        )
      : error;
  }
}

function namesOf(targets: Prepared): string {
  return targets.map(({ target }) => target.name).join(', ');
}

function heading(targets: Prepared): string {
  return `target${targets.length > 1 ? 's' : ''} ${namesOf(targets)}`;
}

async function cancelAll(builds: readonly BuildView[], client: KilnClient, joined: JoinedView): Promise<void> {
  if (builds.length === 0) return;
  joined.say('not all targets could be submitted; canceling the others');
  // A build that has ended meanwhile can't be canceled.
  await Promise.allSettled(builds.map(({ id }) => client.cancel(id)));
}

/**
 * Fetches the files of the targets that were built, and writes the metadata if all of them were, as buildx does. Returns exit codes: that of a check
 * with warnings isn't 0.
 */
async function writeResults(
  baked: readonly Baked[],
  { 'metadata-file': file }: BakeFlagValues,
  client: KilnClient,
  io: Io,
): Promise<number[]> {
  const codes: number[] = [];
  const built = baked.filter(({ build }) => build.state === 'succeeded');
  for (const { targets, build } of built) {
    const [own, ...others] = targets;
    const destinations = targets.flatMap(({ prepared }) => prepared.plan.destinations ?? []);
    if (others.length === 0) codes.push(await fetchResult(client, build, own.prepared.plan, io));
    else if (destinations.length > 0) await fetchResult(client, build, { destinations }, io);
  }
  if (file === undefined || built.length < baked.length) return codes;
  const all = Object.fromEntries(
    built.flatMap(({ targets, build }) =>
      targets.map(
        ({ target: { name } }) =>
          [name, metadata({ ...build, result: build.result?.targets?.[name] ?? build.result })] as const,
      ),
    ),
  );
  await writeFile(resolve(io.cwd, file), `${JSON.stringify(all, null, 2)}\n`);
  return codes;
}

/** Returns the flags that change the definition, for buildx. */
function definitionArgs(flags: BakeFlagValues): string[] {
  return Object.keys(DEFINITION_FLAGS).flatMap((name) => {
    const value = flags[name as keyof typeof DEFINITION_FLAGS];
    if (value === undefined) return [];
    return (Array.isArray(value) ? value : [value]).map((each) => `--${name}=${each}`);
  });
}
