import type { AuditEntry } from '@kiln/contracts';
import { ANONYMOUS, type Principal } from '@kiln/domain';
import type { AuditLog, NewAuditEntry } from '@kiln/state';
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import type { AuditNote } from '../access/call.ts';
import type { ApiProblem } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';

/** A request whose audit entry isn't written yet. */
export interface Audited {
  principal: Principal;
  problem?: ApiProblem;
  note(note: AuditNote): void;
  /** Writes the entry, once; undefined if the request needs none. Never throws. */
  settle(): Promise<void> | undefined;
}

interface AuditedRoute {
  readonly action: string;
  /** Whether every request gets an entry; otherwise only refused ones do. */
  readonly isAlways: boolean;
}

/** How long an answer waits for its entry, ms. */
const APPEND_TIMEOUT_MS = 2_000;
const MAX_TARGET_CHARS = 200;

/**
 * Writes what was done or refused to the audit log before the answer is sent. An entry is missing only if the process dies before writing
 * it, and then the client has no answer either. If the audit log can't be written, the entry goes to Kiln's own log.
 */
export class AuditTrail {
  readonly #audit: Pick<AuditLog, 'append'>;
  readonly #log: Logger;

  constructor(audit: Pick<AuditLog, 'append'>, log: Logger) {
    this.#audit = audit;
    this.#log = log;
  }

  /** Begins an entry, and delays the end of `response` until it is written. */
  begin(route: AuditedRoute, request: Request, response: Response): Audited {
    let noted: AuditNote = { target: targetOf(request) };
    let settled: Promise<void> | undefined;
    const audited: Audited = {
      principal: ANONYMOUS,
      note: ({ target = noted.target, details, principal }) => {
        if (principal) audited.principal = principal;
        noted = { target, details: { ...noted.details, ...details } };
      },
      settle: () => {
        const { statusCode } = response;
        if (!route.isAlways && statusCode !== 401 && statusCode !== 403) return undefined;
        settled ??= this.#append(entryOf(route.action, audited, noted, response));
        return settled;
      },
    };
    const end = response.end.bind(response) as (...args: unknown[]) => Response;
    let isEnding = false;
    response.end = (...args: unknown[]) => {
      if (isEnding) return response;
      isEnding = true;
      const written = audited.settle();
      if (!written) return end(...args);
      void written.then(() => end(...args));
      return response;
    };
    return audited;
  }

  async #append(entry: NewAuditEntry): Promise<void> {
    try {
      await within(APPEND_TIMEOUT_MS, this.#audit.append(entry));
    } catch (error) {
      this.#log.error({ err: error, entry }, 'audit entry not written');
    }
  }
}

function entryOf(
  action: string,
  { principal: { kind, id, name, team }, problem }: Audited,
  { target, details }: AuditNote,
  { statusCode: status, locals }: Response,
): Omit<AuditEntry, 'id' | 'at'> {
  const { requestId, ip } = locals as { requestId: string; ip: string };
  return {
    actor: { kind, id, name, team },
    action,
    ...(target !== undefined && { target }),
    outcome: status < 400 ? 'done' : status === 401 || status === 403 ? 'refused' : 'failed',
    status,
    ...(problem && { code: problem.code, reason: problem.message }),
    ...(details && Object.keys(details).length > 0 && { details: { ...details } }),
    ip,
    requestId,
  };
}

/** The target that the path names; no path of the catalogue names more than one. */
function targetOf({ params }: Request): string | undefined {
  const [first] = Object.values(params).flat();
  return first?.slice(0, MAX_TARGET_CHARS);
}
