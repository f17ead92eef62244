import { type FieldProblem, type Problem, problem } from '@kiln/contracts';

/** An answer of the API with a status of 400 or above. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly errors: readonly FieldProblem[];

  constructor({
    status,
    code,
    detail,
    errors = [],
  }: Pick<Problem, 'status' | 'detail'> & { code: string; errors?: readonly FieldProblem[] }) {
    super(detail);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.errors = errors;
  }
}

/** No answer came: the server, or the way to it, is away. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super('The server does not answer.', { cause });
    this.name = 'Unreachable';
  }
}

/** Reads the problem in an answer, or makes one of an answer that isn't Kiln's, such as a proxy's. */
export async function readProblem(answer: Response): Promise<ApiError> {
  const parsed = problem.safeParse(await answer.json().catch(() => undefined));
  if (parsed.success) return new ApiError(parsed.data);
  const code = answer.status === 401 ? 'unauthorized' : answer.status === 403 ? 'forbidden' : 'unavailable';
  return new ApiError({
    status: answer.status,
    code,
    detail: `The answer was HTTP ${answer.status}, and not from Kiln.`,
  });
}

/** Whether repeating a request later may help. */
export function isPassing(error: unknown): boolean {
  if (error instanceof ApiError) return error.status === 429 || error.status >= 500;
  return error instanceof Unreachable;
}
