import { logStreamQuery } from '@kiln/contracts';
import type { Handler } from '../access/call.ts';
import { visibleBuilds } from '../access/visible-builds.ts';
import { buildIdOf } from '../builds/find-build.ts';
import { parsed } from '../http/api-problem.ts';
import { logFormat } from './log-format.ts';
import { type LogSendDeps, sendLog } from './send-log.ts';

/** The route of logs. */
export function logHandlers(sending: LogSendDeps): { readonly readLog: Handler } {
  return {
    async readLog(request, response, { principal }) {
      const id = buildIdOf(request);
      const query = parsed(logStreamQuery, request.query, 'query ');
      const own = { ...sending, builds: visibleBuilds(sending.builds, principal) };
      await sendLog(own, request, response, { id, query, format: logFormat(request, query.format) });
    },
  };
}
