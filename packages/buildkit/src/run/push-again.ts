import { setTimeout as delay } from 'node:timers/promises';
import { artifactsOf, type BuildSpec, tagsToPush, targetSpecs } from '@kiln/contracts';
import type { Failure } from '@kiln/domain';
import { classifyFailure } from '../outcome/classify-failure.ts';
import { stepsOfTargets } from '../outcome/failed-target.ts';
import type { Halt } from '../outcome/halt.ts';
import { isPassingPushFailure } from '../outcome/push-failure.ts';
import type { ProgressReader } from '../progress/progress-reader.ts';
import { LONGEST_PAUSE_MS } from './push-retries.ts';
import { type BuildxCall, runBuildx } from './run-buildx.ts';
import type { RunHost } from './run-host.ts';

/** A run of buildx that has ended. */
export interface EndedBuildx {
  readonly exitCode: number | undefined;
  readonly reader: ProgressReader;
  /** How often the push was tried. */
  readonly tries: number;
  /** Why the last push failed; undefined if none failed for the network. */
  readonly pushFailure?: Failure;
  /** Tags that any try has pushed. */
  readonly pushed: readonly string[];
}

export interface PushAgainDeps {
  readonly host: RunHost;
  readonly spec: BuildSpec;
  /** Names of its targets; none if it has only one. */
  readonly targets: ReadonlySet<string>;
  readonly call: BuildxCall;
  readonly halt: Halt;
  /** Returns the arguments of buildx for the build with some options changed. */
  argv(changed: Partial<BuildSpec>): string[];
  note(message: string): Promise<void>;
}

/**
 * Repeats a push that failed for the network, which BuildKit itself does for some errors only, and for some seconds. buildx is run again, and all steps come from
 * BuildKit's cache, in which the first run has left them: also those that were to be built without it. So nothing is prepared for pushes that
 * succeed at once. If a step ran again after all, the image could be another one, so then buildx is stopped, and the push has failed.
 * @param exitCode of the first run
 */
export async function pushAgain(exitCode: number | undefined, deps: PushAgainDeps): Promise<EndedBuildx> {
  const { host, spec, targets, call, halt } = deps;
  const artifacts = targetSpecs(spec).flatMap((target) => artifactsOf(target.spec.output));
  // Of an artifact on buildx's standard output, a part has been stored.
  const repeatable = tagsToPush(spec).length > 0 && artifacts.length !== 1;
  let last: EndedBuildx = { exitCode, reader: call.reader, tries: 1, pushed: call.reader.facts().pushed };
  for (;;) {
    await last.reader.endOfText();
    const failure = failureOf(last, targets);
    if (!repeatable || halt.reason || !isPassingPushFailure(failure, last.tries > 1)) return last;
    const pushFailure = failure?.code === 'push_refused' ? failure : last.pushFailure;
    last = { ...last, ...(pushFailure && { pushFailure }) };
    const { times, firstPauseMs } = host.pushRetries;
    if (last.tries > times) return last;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, firstPauseMs * 2 ** (last.tries - 1));
    await last.reader.end();
    const [reason = ''] = (failure?.message ?? '').split('\n', 1);
    await deps.note(
      `${reason}; pushing again in ${pauseMs / 1000} s, without building again (${last.tries} of ${times})`,
    );
    await delay(pauseMs, undefined, { signal: halt.signal }).catch(() => undefined);
    if (halt.reason) return last;
    const reader = call.reader.repeated((step) => {
      const [name = ''] = step.split('\n', 1);
      const why = `not pushed again, because BuildKit’s cache lacked the result of ${name}`;
      halt.fail({ code: 'push_refused', message: `${pushFailure?.message}\n${why}` });
    });
    const argv = deps.argv({ noCache: false, noCacheFilter: [], pull: false });
    const pidFile = `${call.pidFile}-${last.tries + 1}`;
    const code = await runBuildx(host, { ...call, argv, reader, pidFile }, halt);
    const pushed = [...new Set([...last.pushed, ...reader.facts().pushed])];
    last = { ...last, exitCode: code, reader, tries: last.tries + 1, pushed };
  }
}

function failureOf({ exitCode, reader }: EndedBuildx, targets: ReadonlySet<string>): Failure | undefined {
  if (exitCode === 0 || reader.brokenOff) return undefined;
  const { failed, lines } = reader.facts();
  return classifyFailure({ exitCode, lines, failed: stepsOfTargets(failed, targets) });
}
