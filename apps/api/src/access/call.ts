import type { Principal } from '@kiln/domain';
import type { Request, Response } from 'express';

/** Who makes a request, and from where. */
export interface Call {
  readonly principal: Principal;
  readonly requestId: string;
  /** Address of who asks; of a proxy's client where that proxy is trusted. */
  readonly ip: string;
}

/** Answers a request whole, or throws before it has sent anything. */
export type Handler = (request: Request, response: Response, call: Call) => Promise<void>;
