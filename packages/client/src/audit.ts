import type { AuditEntry } from '@kiln/contracts';
import { parseJson, readAnswer } from './answer.ts';
import { KilnBadAnswer } from './errors.ts';
import { backoffMs, type ClientDeps, isTransient } from './retry.ts';
import type { Transport } from './transport.ts';

export interface AuditOptions {
  /** Start of the time range, inclusive, as RFC 3339. */
  readonly since?: string | undefined;
  /** End of the time range, exclusive, as RFC 3339. */
  readonly until?: string | undefined;
  /** Id of the last entry already seen. */
  readonly after?: string | undefined;
  /** Wait for new entries, and reconnect when the connection is lost. */
  readonly follow?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Yields the audit log, oldest first. Throws what `Transport.call` throws; with `follow`, only errors that a retry can't fix. */
export async function* readAudit(
  transport: Transport,
  deps: ClientDeps,
  { signal, follow, ...range }: AuditOptions,
): AsyncGenerator<AuditEntry> {
  // Before the first call: what arrives while they are made would be lost if the connection breaks.
  const { auditEntry } = await import('./schemas.ts');
  let { after } = range;
  let failures = 0;
  for (;;) {
    try {
      const { body } = await transport.call('/v1/audit', { query: { ...range, after, follow }, signal });
      for await (const line of lines(body)) {
        failures = 0;
        if (line.trim() === '') continue;
        const entry = readAnswer('audit log', auditEntry, parseJson(line));
        after = entry.id;
        yield entry;
      }
      if (!follow) return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!follow || !isTransient(error)) throw error;
    }
    failures += 1;
    await deps.sleep(backoffMs(failures, deps.random), signal);
  }
}

const MAX_LINE_CHARS = 1024 * 1024;

/** Yields complete lines. Text after the last line end was cut off and is dropped. */
async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > MAX_LINE_CHARS) throw new KilnBadAnswer('audit log', 'a line without an end');
    yield* parts;
  }
}
