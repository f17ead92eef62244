import { shortened, TarCutOff, TarFault } from '@kiln/trees';
import { ApiProblem, fieldProblem } from '../http/api-problem.ts';

export interface ContextLimits {
  readonly maxUnpackedContextBytes: number;
  readonly maxContextEntries: number;
}

export function incomplete(what: string): ApiProblem {
  return new ApiProblem('context_incomplete', `${what}; nothing was accepted`, {
    errors: [{ field: 'context', got: what, expected: 'the whole context' }],
  });
}

/** Maps errors about tars to what the client gets; others stay as they are. */
export function tarProblem(error: unknown): unknown {
  if (error instanceof TarCutOff) return incomplete(error.what);
  if (!(error instanceof TarFault)) return error;
  const field = error.entry === undefined ? 'context' : (['context', shortened(error.entry)] as const);
  return fieldProblem('context_invalid', field, error.got, error.expected);
}
