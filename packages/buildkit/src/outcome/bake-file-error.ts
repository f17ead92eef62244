import type { RunOutcome } from './outcome.ts';

/** A position in a bake file that Kiln has written. */
const IN_FILE = /\/own\/bake(?:-again)?\.json:\d/;
const UNKNOWN_KEY = /An argument named "([\w-]+)" is not expected here/;

/** Explains the failure of a buildx that doesn't understand the bake file that Kiln wrote for it. */
export function explainBakeFile(outcome: RunOutcome): RunOutcome {
  const { failure } = outcome;
  if (!failure || !IN_FILE.test(failure.message)) return outcome;
  const key = UNKNOWN_KEY.exec(failure.message)?.[1];
  if (key !== undefined) {
    const message = `the host’s docker buildx is too old to build linked targets with ${key}; update it`;
    return { ...outcome, failure: { code: 'host_outdated', message } };
  }
  const message = `the host’s docker buildx could not read the targets: ${failure.message.replace(/^\S*:\d[\d,-]*: /, '')}`;
  return { ...outcome, failure: { code: 'infrastructure', message } };
}
