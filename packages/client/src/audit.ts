import { type AuditEntry, auditEntry } from '@kiln/contracts';
import { parseJson, readAnswer } from './answer.ts';
import { KilnBadAnswer } from './errors.ts';
import { type Ambience, backoffMs, isTransient } from './retry.ts';
import type { Transport } from './transport.ts';

export interface AuditOptions {
  /** Entries from then on, before then: RFC 3339. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** Id of the last entry already seen. */
  readonly after?: string | undefined;
  /** Go on with new entries as they come; comes back after every lost connection. */
  readonly follow?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Yields the audit log, oldest first. Throws what `Transport.call` throws; with `follow` only what another try won't mend. */
export async function* readAudit(
  transport: Transport,
  ambience: Ambience,
  { signal, follow, ...range }: AuditOptions,
): AsyncGenerator<AuditEntry> {
  let { after } = range;
  let failures = 0;
  for (;;) {
    try {
      const response = await transport.call('/v1/audit', { query: { ...range, after, follow }, signal });
      for await (const line of lines(response.body ?? ReadableStream.from([]))) {
        failures = 0;
        if (line.trim() === '') continue;
        const entry = readAnswer('audit log', auditEntry, parseJson(line));
        after = entry.id;
        yield entry;
      }
      if (!follow) return;
    } catch (error) {
      signal?.throwIfAborted();
      const lost = error instanceof TypeError ? transport.lost(error) : error;
      if (!follow || !isTransient(lost)) throw lost;
    }
    failures += 1;
    await ambience.sleep(backoffMs(failures, ambience.random), signal);
  }
}

const MAX_LINE_CHARS = 1024 * 1024;

/** Whole lines; what stands after the last line end was cut off, and is left out. */
async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = '';
  for await (const text of body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)) {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > MAX_LINE_CHARS) throw new KilnBadAnswer('audit log', 'a line without an end');
    yield* parts;
  }
}
