import { ApiProblem } from './api-problem.ts';

/** Stands for a credential in `got`: what was sent is never repeated. */
export const NOT_SHOWN = 'a value that is not shown';

/** An `unauthorized` problem. `isMissing`: the request had no credential at all. */
export function unauthorized(detail: string, { isMissing = false } = {}): ApiProblem {
  return new ApiProblem('unauthorized', detail, {
    errors: [
      {
        field: 'header Authorization',
        got: isMissing ? 'nothing' : NOT_SHOWN,
        expected: 'Bearer followed by a token of this Kiln',
      },
    ],
    headers: { 'WWW-Authenticate': isMissing ? 'Bearer realm="kiln"' : 'Bearer realm="kiln", error="invalid_token"' },
  });
}
