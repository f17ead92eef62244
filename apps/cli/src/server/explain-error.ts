import { KilnBadAnswer, KilnProblem, KilnUnreachable } from '@kiln/client';
import { UsageError } from '../io/errors.ts';

/** What went wrong, for people: the sentence, the fields, and what to do. Lines without an end; undefined for a fault of Kiln's own. */
export function explainError(error: unknown): string | undefined {
  if (error instanceof UsageError) return error.message;
  if (error instanceof KilnUnreachable) return `${error.message}\n${unreachableHint(error)}`;
  if (error instanceof KilnBadAnswer)
    return `${error.message}\nIs that really Kiln's address, and of about this version?`;
  if (error instanceof KilnProblem) return explainProblem(error);
  return undefined;
}

function unreachableHint({ code, url }: KilnUnreachable): string {
  if (code === 'ECONNREFUSED') {
    return `Nothing listens there. If ${url} is right, Kiln isn't running: start it with \`kiln up\`.`;
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'There is no such host: is KILN_URL (or --url) right?';
  return 'Is KILN_URL (or --url) right, and the network up?';
}

function explainProblem({ problem }: KilnProblem): string {
  const fields = problem.errors.map(({ field, got, expected }) => `  ${field}: got ${got}, expected ${expected}`);
  const hint = HINTS[problem.code];
  // The fields say it better than a detail that only repeats the first of them.
  const repeats = problem.errors.some(({ field }) => problem.detail.startsWith(`${field}: `));
  const sentence = repeats || problem.detail === '' ? problem.title : problem.detail;
  return [`${sentence} [${problem.code}]`, ...fields, ...(hint ? [hint] : [])].join('\n');
}

const HINTS: Readonly<Partial<Record<KilnProblem['problem']['code'], string>>> = {
  unauthorized: 'Set KILN_TOKEN (or --token) to a token that this Kiln knows.',
  token_not_found: '`kiln token ls` lists those that there are.',
  secret_not_found: '`kiln secret ls` lists those that there are.',
  connection_not_found: '`kiln connection ls` lists those that there are.',
  delivery_not_found: '`kiln deliveries` lists those that there are.',
  webhook_not_found: '`kiln hook ls` lists those that there are.',
  host_not_found: '`kiln hosts` lists those that there are.',
  schedule_not_found: '`kiln schedule ls` lists those that there are.',
  queue_full: '`kiln ps` lists what waits; `kiln limits` says how much may.',
  too_many_requests: '`kiln limits` says how many there may be.',
  store_full: '`/readyz` says how full Redis is; running builds go on, and their ends make room.',
  unavailable: 'Kiln is there, but can’t serve just now. Try again in a moment.',
};
