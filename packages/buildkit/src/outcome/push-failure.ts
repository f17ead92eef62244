import type { Failure } from '@kiln/domain';
import type { RunOutcome } from './outcome.ts';

/** Where a registry, or the server of its tokens, answered: then the answer decides, whatever else the text has. */
const STATUS = /\b([1-5]\d\d) [A-Z][A-Za-z'-]+(?: [A-Z][A-Za-z'-]+)*(?::|$)/m;
const ANSWERED = /\bstatus(?: code)?:? ([45]\d\d)\b/i;

const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Texts of Go's network code, and of registries that ask for patience. */
const PASSING: readonly RegExp[] = [
  /\bconnection (?:refused|reset by peer|timed out)\b/,
  /\bbroken pipe\b/,
  /\b(?:i\/o|TLS handshake|http2: timeout awaiting response headers|operation) time(?:d )?out\b/,
  /\bhttp2: timeout awaiting response headers\b/,
  /\bTLS handshake timeout\b/,
  /\b(?:Client\.Timeout|context deadline) exceeded\b/,
  /\bnetwork is unreachable\b/,
  /\bno route to host\b/,
  /\bserver misbehaving\b/,
  /\bTemporary failure in name resolution\b/,
  /\bhttp2: (?:client connection lost|server sent GOAWAY)\b/,
  /\bserver closed idle connection\b/,
  /\bunexpected EOF\b/,
  /(?:^|[:\s])EOF$/m,
  /\btoomanyrequests: /,
];

const DENIED = /\b(?:denied|unauthorized|insufficient_scope|authorization failed|no basic auth credentials)\b/i;

/**
 * Returns whether a push failed for the network, or because the registry was busy or broken at that moment, so that it may succeed when it is repeated.
 * A registry that refused it would refuse it again.
 * @param isRepeated in a repeated run, the registry that can't be reached may be that of a base image
 */
export function isPassingPushFailure(failure: Failure | undefined, isRepeated = false): boolean {
  if (failure?.code !== 'push_refused' && !(isRepeated && failure?.code === 'base_image_unavailable')) return false;
  // What is before it names the image, which could be called anything.
  const text = failure.message.replace(/^failed to push \S+ /, '');
  const status = Number((STATUS.exec(text) ?? ANSWERED.exec(text))?.[1] ?? 0);
  if (status > 0) return PASSING_STATUSES.has(status);
  return !DENIED.test(text) && PASSING.some((pattern) => pattern.test(text));
}

export interface PushTries {
  readonly tries: number;
  /** Why the last push failed, if any failed for the network. */
  readonly pushFailure?: Failure;
  readonly pushed: readonly string[];
}

/** Adds to a failed push how often it was tried, and which tags the registries have. */
export function explainPush(
  outcome: RunOutcome,
  tags: readonly string[],
  { tries, pushFailure, pushed }: PushTries,
): RunOutcome {
  // The push has failed, even if its last repetition already failed at a base image from the same registry.
  const failure = outcome.failure?.code === 'base_image_unavailable' && pushFailure ? pushFailure : outcome.failure;
  if (failure?.code !== 'push_refused') return outcome;
  const missing = tags.filter((tag) => !pushed.includes(tag));
  const lines = [
    ...(tries > 1 ? [`the push was tried ${tries} times`] : []),
    ...(tags.length > 1 ? [`pushed: ${listed(pushed)}; not pushed: ${listed(missing)}`] : []),
  ];
  return { ...outcome, failure: { ...failure, message: [failure.message, ...lines].join('\n') } };
}

function listed(tags: readonly string[]): string {
  return tags.length === 0 ? 'none' : tags.join(', ');
}
