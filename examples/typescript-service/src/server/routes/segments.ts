import type { FastifyPluginAsync } from 'fastify';
import { segmentDraftSchema } from '../../shared/segment.ts';
import type { Services } from '../app.ts';
import { actorOf, keyParamsSchema, saveOptionsOf } from './request.ts';

export function segmentRoutes({ catalog }: Services): FastifyPluginAsync {
  return async (app) => {
    app.get('/segments', async () => catalog.segments());

    app.put('/segments/:key', async (request, reply) => {
      const { key } = keyParamsSchema.parse(request.params);
      const draft = segmentDraftSchema.parse({ ...(request.body as object), key });
      const segment = await catalog.saveSegment(draft, saveOptionsOf(request));
      return reply.code(segment.revision === 1 ? 201 : 200).send(segment);
    });

    app.delete('/segments/:key', async (request, reply) => {
      await catalog.deleteSegment(keyParamsSchema.parse(request.params).key, actorOf(request));
      return reply.code(204).send();
    });
  };
}
