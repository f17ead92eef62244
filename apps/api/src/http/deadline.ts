import { ApiProblem } from './api-problem.ts';

/**
 * Waits for `work` for at most `ms`: while Redis is away its commands wait, but a client shouldn't. The work itself continues, so after
 * a time-out it is unknown whether it took effect; idempotency keys make the retry safe.
 * @throws ApiProblem `unavailable` after `ms`
 */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new ApiProblem('unavailable', 'Kiln’s Redis does not answer', { headers: { 'Retry-After': '2' } })),
      ms,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
