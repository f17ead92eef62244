import { type MissingTreeParts, type StoredTreeParts, TREE_PARTS_TYPE, type TreeDigests } from '@kiln/contracts';
import { jsonBody } from './api-calls.ts';
import type { CallOptions } from './options.ts';
import { isTransient } from './retry.ts';
import { ScheduleCalls } from './schedule-calls.ts';

export interface TreeCallOptions extends CallOptions {
  /** Whose trees. Default: the credential's own team. */
  readonly team?: string | undefined;
}

export interface SendTreePartsOptions extends TreeCallOptions {
  /** How `parts` is compressed. Default: not at all. */
  readonly encoding?: 'gzip' | 'zstd' | undefined;
  /** What the parts are for, which decides how large they may be. Default: a context. */
  readonly purpose?: 'context' | 'snapshot' | undefined;
}

/** The methods of `KilnClient` about contexts as trees. They try once: what to send again, the caller asks for by `missingTreeParts`. */
export class TreeCalls extends ScheduleCalls {
  /** Returns which of these objects must be sent. Asks about up to `MAX_TREE_DIGESTS` at once. */
  missingTreeParts(digests: Partial<TreeDigests>, { team, signal }: TreeCallOptions = {}): Promise<MissingTreeParts> {
    const call = { method: 'POST', query: { team }, ...jsonBody(digests), signal } as const;
    return this.json('/v1/trees/missing', 'missingTreeParts', call);
  }

  /**
   * Sends a stream of parts at the pace of the connection; every directory must come after all that it names. Throws a `KilnProblem` with code
   * `tree_incomplete` if one doesn't, and what `parts` throws. After an error, what arrived whole is stored.
   */
  async sendTreeParts(
    parts: AsyncIterable<Uint8Array>,
    { team, encoding, purpose, signal }: SendTreePartsOptions = {},
  ): Promise<StoredTreeParts> {
    let failure: { readonly error: unknown } | undefined;
    async function* body(): AsyncGenerator<Uint8Array> {
      try {
        yield* parts;
      } catch (error) {
        failure = { error };
        throw error;
      }
    }
    const headers = { 'content-type': TREE_PARTS_TYPE, ...(encoding && { 'content-encoding': encoding }) };
    try {
      const call = { method: 'POST', headers, query: { team, purpose }, body: body(), signal } as const;
      return await this.json('/v1/trees', 'storedTreeParts', call);
    } catch (error) {
      throw failure && isTransient(error) ? failure.error : error;
    }
  }

  /** Reads objects, in any order, as a stream of parts. Throws a `KilnProblem` with code `tree_part_not_found` if one isn't stored. */
  async *readTreeParts(
    digests: Partial<TreeDigests>,
    { team, signal }: TreeCallOptions = {},
  ): AsyncGenerator<Uint8Array> {
    const call = { method: 'POST', query: { team }, ...jsonBody(digests), signal } as const;
    const { body } = await this.transport.call('/v1/trees/read', call);
    yield* body;
  }
}
