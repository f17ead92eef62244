import type { Problem } from '@kiln/contracts';

/** The problem details in an answer. */
export async function problemIn(answer: Response): Promise<Problem> {
  return (await answer.json()) as Problem;
}
