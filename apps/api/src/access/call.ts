import type { Principal } from '@kiln/domain';
import type { Request, Response } from 'express';
import type { AuditNote } from '../audit/audit-trail.ts';

/** Who makes a request, and from where. */
export interface Call {
  readonly principal: Principal;
  readonly requestId: string;
  /** Address of who asks; of a proxy's client where that proxy is trusted. */
  readonly ip: string;
  /** Adds to the request's entry in the audit log. */
  readonly note: (note: AuditNote) => void;
}

/** Answers a request whole, or throws before it has sent anything. */
export type Handler = (request: Request, response: Response, call: Call) => Promise<void>;
