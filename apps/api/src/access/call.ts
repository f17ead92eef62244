import type { Principal } from '@kiln/domain';
import type { Request, Response } from 'express';

/** What a route adds to its audit entry. Must not contain the value of a secret or token. */
export interface AuditNote {
  readonly target?: string | undefined;
  readonly details?: Readonly<Record<string, string>> | undefined;
  /** The caller, if known only now, as after a login. */
  readonly principal?: Principal | undefined;
}

/** The caller of a request. */
export interface Call {
  readonly principal: Principal;
  readonly requestId: string;
  /** The caller's address; behind a trusted proxy, the address of the proxy's client. */
  readonly ip: string;
  /** Adds to the request's audit entry. */
  readonly note: (note: AuditNote) => void;
}

/** Answers a request, or throws before anything has been sent. */
export type Handler = (request: Request, response: Response, call: Call) => Promise<void>;
