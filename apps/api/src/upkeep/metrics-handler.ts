import type { OpenMetrics } from '@kiln/metrics';
import type { Handler } from '../access/call.ts';
import { ApiProblem } from '../http/api-problem.ts';

/** `GET /metrics`. */
export function metricsHandler(metrics: Pick<OpenMetrics, 'text' | 'contentType'> | undefined): Handler {
  return async (_request, response) => {
    if (!metrics) throw new ApiProblem('not_found', 'this process records no metrics');
    response.type(metrics.contentType).send(await metrics.text());
  };
}
