import { setTimeout as delay } from 'node:timers/promises';
import { auditQuery } from '@kiln/contracts';
import type { AuditLog } from '@kiln/state';
import type { Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import { parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { LogResponse } from '../logs/log-response.ts';

const PAGE = 500;
/** How often a follower looks for new entries, ms. */
const LOOK_EVERY_MS = 1_000;

/** Handles `GET /v1/audit`: sends entries as lines of JSON, with one page in memory at a time. */
export function auditHandler(config: ApiConfig, audit: Pick<AuditLog, 'read'>, closing: AbortSignal): Handler {
  const moment = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text));
  return async (request, response) => {
    const { follow, limit = Number.POSITIVE_INFINITY, ...asked } = parsed(auditQuery, request.query, 'query ');
    const range = { since: moment(asked.since), until: moment(asked.until) };
    const page = (after: string | undefined, left: number) =>
      within(config.storeTimeoutMs, audit.read({ ...range, after }, Math.min(PAGE, left)));
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const signal = AbortSignal.any([gone.signal, closing]);
    // The first page is read before the status is sent, so that a failure can still be answered.
    let entries = await page(asked.after, limit);
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' });
    response.flushHeaders();
    using output = new LogResponse(response, follow ? { text: '\n', everyMs: config.sseHeartbeatMs } : undefined);
    let { after } = asked;
    for (let left = limit; !signal.aborted; entries = await page(after, left)) {
      left -= entries.length;
      after = entries.at(-1)?.id ?? after;
      await output.write(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
      if (left <= 0 || (entries.length < PAGE && !follow)) break;
      if (entries.length < PAGE) await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
    }
    response.end();
  };
}
