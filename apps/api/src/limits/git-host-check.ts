import { AddressRefused, type OutgoingGuard } from '@kiln/runtime';
import { type ApiProblem, fieldProblem } from '../http/api-problem.ts';

/** Refuses a clone URL whose server has an address that Kiln may not contact. @throws ApiProblem `target_refused` */
export type GitHostCheck = (url: string) => Promise<void>;

/** How long the result for a name is kept, ms: the worker checks again just before it connects. */
const REMEMBER_MS = 30_000;
const MAX_REMEMBERED = 1_000;
/** How long a submission waits for a name lookup, ms. */
const LOOKUP_MS = 1_500;

interface Remembered {
  readonly until: number;
  readonly verdict: Promise<AddressRefused | undefined>;
}

/**
 * Checks git hosts early, for a quick answer; the worker's check is the one that counts. A name that can't be looked up here in time passes.
 */
export function gitHostCheck(guard: Pick<OutgoingGuard, 'check'>, now: () => number): GitHostCheck {
  const remembered = new Map<string, Remembered>();
  return async (url) => {
    const { hostname } = new URL(url);
    let entry = remembered.get(hostname);
    if (!entry || entry.until <= now()) {
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      entry = { until: now() + REMEMBER_MS, verdict: verdictOf(guard, hostname) };
      remembered.set(hostname, entry);
    }
    const refused = await entry.verdict;
    if (refused) throw refusal(url, refused);
  };
}

async function verdictOf(guard: Pick<OutgoingGuard, 'check'>, hostname: string): Promise<AddressRefused | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), LOOKUP_MS);
  });
  const looked = guard.check(hostname).then(
    () => undefined,
    (error: unknown) => (error instanceof AddressRefused ? error : undefined),
  );
  try {
    return await Promise.race([looked, late]);
  } finally {
    clearTimeout(timer);
  }
}

function refusal(url: string, { message }: AddressRefused): ApiProblem {
  return fieldProblem(
    'target_refused',
    'source.url',
    JSON.stringify(url),
    `a git server that Kiln may contact: ${message}`,
  );
}
