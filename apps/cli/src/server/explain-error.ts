import { KilnBadAnswer, KilnProblem, KilnUnreachable } from '@kiln/client';
import { UsageError } from '../io/errors.ts';

/** Describes an error for people: what is wrong, the fields, and what to do. Returns undefined for a bug in the CLI itself. */
export function explainError(error: unknown): string | undefined {
  if (error instanceof UsageError) return error.message;
  if (error instanceof KilnUnreachable) return `${error.message}\n${unreachableHint(error)}`;
  if (error instanceof KilnBadAnswer)
    return `${error.message}\nCheck that the address is that of a Kiln API, and of a similar version.`;
  if (error instanceof KilnProblem) return explainProblem(error);
  return undefined;
}

function unreachableHint({ code, url }: KilnUnreachable): string {
  if (code === 'ECONNREFUSED') {
    return `Nothing listens there. If ${url} is correct, Kiln isn't running; start it with \`kiln up\`.`;
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'The host name does not resolve. Check KILN_URL (or --url).';
  return 'Check KILN_URL (or --url) and the network.';
}

function explainProblem({ problem }: KilnProblem): string {
  const fields = problem.errors.map(({ field, got, expected }) => `  ${field}: got ${got}, expected ${expected}`);
  const hint = HINTS[problem.code];
  // A detail that only repeats the first field adds nothing.
  const repeats = problem.errors.some(({ field }) => problem.detail.startsWith(`${field}: `));
  const sentence = repeats || problem.detail === '' ? problem.title : problem.detail;
  return [`${sentence} [${problem.code}]`, ...fields, ...(hint ? [hint] : [])].join('\n');
}

const HINTS: Readonly<Partial<Record<KilnProblem['problem']['code'], string>>> = {
  unauthorized: 'Log in with `kiln login`, or set KILN_TOKEN (or --token) to a valid token of this Kiln.',
  token_not_found: '`kiln token ls` lists all.',
  secret_not_found: '`kiln secret ls` lists all.',
  connection_not_found: '`kiln connection ls` lists all.',
  delivery_not_found: '`kiln delivery ls` lists all.',
  webhook_not_found: '`kiln hook ls` lists all.',
  host_not_found: '`kiln host ls` lists all.',
  schedule_not_found: '`kiln schedule ls` lists all.',
  queue_full: '`kiln ps` lists queued builds; `kiln limit show` shows the limits.',
  too_many_requests: '`kiln limit show` shows the limits.',
  store_full: '`/readyz` shows how full Redis is. Running builds continue, and free memory when they end.',
  unavailable: 'Kiln is running, but cannot serve requests right now. Try again in a moment.',
};
