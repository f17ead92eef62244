import { checkList } from '@kiln/contracts';
import { holds } from '@kiln/domain';
import type { Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import { sendJson } from '../http/answer.ts';
import { checkPool, type DoctorDeps } from './check-pool.ts';

/** `GET /v1/checks`. */
export function doctorHandler({ blobReserveBytes }: Pick<ApiConfig, 'blobReserveBytes'>, deps: DoctorDeps): Handler {
  return async (_request, response, { principal }) => {
    // Connections and secrets are of all teams.
    const seesAll = holds(principal, 'admin');
    sendJson(response, 200, checkList.parse({ checks: await checkPool(deps, { blobReserveBytes, seesAll }) }));
  };
}
