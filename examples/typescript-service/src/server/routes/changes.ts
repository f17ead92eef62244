import type { FastifyPluginAsync } from 'fastify';
import { z } from 'zod';
import { type Change, changedKey } from '../../shared/change.ts';
import type { Services } from '../app.ts';

const keepAliveMs = 15_000;
const lastEventIdSchema = z.coerce.number().int().nonnegative().optional();

/** Changes as server-sent events; `Last-Event-ID` resumes without a gap. */
export function changeRoutes({ catalog }: Services): FastifyPluginAsync {
  return async (app) => {
    app.get('/changes', (request, reply) => {
      const resumeAfter = lastEventIdSchema.parse(request.headers['last-event-id']);
      reply.hijack();
      const { raw } = reply;
      raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      raw.write(': listening\n\n');

      const send = (change: Change) => raw.write(toEvent(change));
      // No await in between: nothing can change after the replay and before the listener is there.
      if (resumeAfter !== undefined) catalog.changesAfter(resumeAfter).forEach(send);
      const stopListening = catalog.listen(send);
      const keepAlive = setInterval(() => raw.write(': still here\n\n'), keepAliveMs);

      raw.once('close', () => {
        clearInterval(keepAlive);
        stopListening();
      });
    });
  };
}

function toEvent(change: Change): string {
  return `id: ${change.sequence}\nevent: ${change.kind}\ndata: ${JSON.stringify({ key: changedKey(change) })}\n\n`;
}
