import { remoteSources, stepText } from '@kiln/domain';
import { BuildkitControl } from '../control/buildkit-control.ts';
import { remoteContents } from '../control/remote-contents.ts';
import type { ReportedStep } from '../progress/step-trace.ts';
import type { RunHost } from './run-host.ts';

/** It only explains, so it isn't worth a longer wait. */
const TIMEOUT_MS = 2_000;
/** Bounds what is read of a build for very many platforms. */
const MAX_ATTESTATIONS = 16;
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Adds to the steps that fetch from URLs what those returned, as BuildKit's history tells it. No other steps cost anything. Steps stay as they are if BuildKit
 * doesn't know, or the name of a URL was masked.
 * @param ref of the build, if it is known
 */
export async function readRemotes(
  { connectBuildkit, log }: Pick<RunHost, 'connectBuildkit' | 'log'>,
  steps: readonly ReportedStep[],
  refOf: () => Promise<string | undefined>,
): Promise<readonly ReportedStep[]> {
  if (steps.every(({ name }) => remoteSources(stepText(name)).length === 0)) return steps;
  try {
    const ref = await refOf();
    if (ref === undefined) return steps;
    await using control = await BuildkitControl.open(connectBuildkit);
    const { attestations = [] } = (await control.history(ref)) ?? {};
    const contents = new Map<string, string>();
    for (const { digest, bytes } of attestations.slice(0, MAX_ATTESTATIONS)) {
      if (bytes > MAX_BYTES) continue;
      const text = (await control.content(digest, TIMEOUT_MS)).toString();
      for (const [url, content] of remoteContents(text)) contents.set(url, content);
    }
    return steps.map((step) => withContents(step, contents));
  } catch (error) {
    log.info({ err: error }, 'what URLs returned is not known');
    return steps;
  }
}

function withContents(step: ReportedStep, contents: ReadonlyMap<string, string>): ReportedStep {
  const urls = remoteSources(stepText(step.name));
  const known = urls.flatMap((url) => contents.get(url) ?? []);
  return urls.length > 0 && known.length === urls.length ? { ...step, contents: known } : step;
}
