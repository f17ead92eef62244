import type { Failure, Outcome } from '@kiln/domain';
import { messageOf } from '../engine/message-of.ts';
import type { Halt } from '../outcome/halt.ts';
import { neverStarted } from '../outcome/outcome.ts';
import type { BuildxInvocation } from './buildx-arguments.ts';
import { checkFrontend, dockerfileHead } from './check-frontend.ts';
import { ContextUnusable } from './context-dir.ts';
import type { RunFiles } from './run-files.ts';
import type { RunHost } from './run-host.ts';
import type { RunRequest } from './run-request.ts';

/** Prepares what buildx builds from. Returns the build's outcome instead if the context can't be used, or the build was stopped meanwhile. */
export async function prepareContext(
  host: RunHost,
  request: RunRequest,
  files: RunFiles,
  halt: Halt,
): Promise<BuildxInvocation['context'] | Outcome> {
  try {
    return await checkedContext(host, request, files, halt);
  } catch (error) {
    if (halt.reason?.type === 'stop') return neverStarted(halt.reason.cause, request.spec);
    if (error instanceof ContextUnusable) return { end: 'failed', failure: error.failure };
    throw error;
  }
}

/** Returns a context whose Dockerfile names an allowed frontend, or none. @throws ContextUnusable */
async function checkedContext(
  { frontends }: RunHost,
  { source, spec }: RunRequest,
  files: RunFiles,
  halt: Halt,
): Promise<BuildxInvocation['context']> {
  const check = (text: string | undefined) => {
    const failure = checkFrontend(frontends.allowed, spec, text);
    if (failure) throw new ContextUnusable(failure);
  };
  // The frontend of a build argument is known before anything is read.
  check(undefined);
  if (source.type === 'tar') {
    const unpacked = await files.unpackContext(() => source.open(), spec.dockerfile, halt.signal);
    const text = await dockerfileHead(unpacked.dockerfile);
    if (text === undefined && frontends.allowed !== 'any')
      throw new ContextUnusable(unknownFrontend(spec.dockerfile, 'too large'));
    check(text);
    return { type: 'directory', ...unpacked };
  }
  const { type, url, commit, subdir } = source;
  if (frontends.allowed === 'any' || frontends.isEnforced) return { type, url, commit, subdir };
  const read = await source.dockerfile?.(halt.signal).catch((error: unknown) => {
    if (halt.signal.aborted) throw error;
    throw new ContextUnusable(unknownFrontend(spec.dockerfile, messageOf(error)));
  });
  if (!read) {
    const message = `failed to read dockerfile: open ${spec.dockerfile}: no such file or directory`;
    throw new ContextUnusable({ code: 'dockerfile_missing', message });
  }
  check(read.text);
  // Build from the text that was checked: attributes or links could give BuildKit's own checkout of the commit another one.
  return { type, url, commit, subdir, dockerfile: await files.placeDockerfile(spec.dockerfile, read) };
}

function unknownFrontend(dockerfile: string, why: string): Failure {
  return { code: 'frontend_refused', message: `the frontend of ${dockerfile} could not be determined: ${why}` };
}
