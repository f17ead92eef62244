import { ApiProblem } from './api-problem.ts';

/**
 * `work`, or ApiProblem `unavailable` when it hasn't ended within `ms`. While Redis is away its commands wait; a client shouldn't.
 * The work itself goes on: whether it took effect is then unknown, which is what idempotency keys are for.
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
