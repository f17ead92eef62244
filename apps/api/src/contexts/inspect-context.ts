import { type EntryTree, indexTar, shortened, TarCutOff, TarFault } from '@kiln/trees';
import { ApiProblem, fieldProblem } from '../http/api-problem.ts';

export interface ContextLimits {
  readonly maxUnpackedContextBytes: number;
  readonly maxContextEntries: number;
}

/**
 * Reads a context, tar or gzipped tar, to its end with the same reader as the worker's unpacker.
 * @throws ApiProblem `context_invalid`, `context_incomplete`; what `bytes` throws
 */
export async function inspectContext(bytes: AsyncIterable<Buffer>, limits: ContextLimits): Promise<EntryTree> {
  try {
    return await indexTar(bytes, { maxBytes: limits.maxUnpackedContextBytes, maxEntries: limits.maxContextEntries });
  } catch (error) {
    throw asProblem(error);
  }
}

export function incomplete(what: string): ApiProblem {
  return new ApiProblem('context_incomplete', `${what}; nothing was accepted`, {
    errors: [{ field: 'context', got: what, expected: 'the whole context' }],
  });
}

function asProblem(error: unknown): unknown {
  if (error instanceof TarCutOff) return incomplete(error.what);
  if (!(error instanceof TarFault)) return error;
  const field = error.entry === undefined ? 'context' : (['context', shortened(error.entry)] as const);
  return fieldProblem('context_invalid', field, error.got, error.expected);
}
