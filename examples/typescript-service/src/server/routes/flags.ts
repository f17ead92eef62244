import type { FastifyPluginAsync } from 'fastify';
import { flagDraftSchema } from '../../shared/flag.ts';
import type { Services } from '../app.ts';
import { actorOf, keyParamsSchema, saveOptionsOf } from './request.ts';

export function flagRoutes({ catalog, usage }: Services): FastifyPluginAsync {
  return async (app) => {
    app.get('/flags', async () => catalog.flags());

    app.get('/flags/:key', async (request, reply) => {
      const flag = catalog.flag(keyParamsSchema.parse(request.params).key);
      return reply.header('etag', `"${flag.revision}"`).send(flag);
    });

    app.get('/flags/:key/usage', async (request) => {
      const { key } = catalog.flag(keyParamsSchema.parse(request.params).key);
      return usage.usageOf(key);
    });

    app.put('/flags/:key', async (request, reply) => {
      const { key } = keyParamsSchema.parse(request.params);
      const draft = flagDraftSchema.parse({ ...(request.body as object), key });
      const flag = await catalog.saveFlag(draft, saveOptionsOf(request));
      return reply.code(flag.revision === 1 ? 201 : 200).send(flag);
    });

    app.delete('/flags/:key', async (request, reply) => {
      await catalog.deleteFlag(keyParamsSchema.parse(request.params).key, actorOf(request));
      return reply.code(204).send();
    });
  };
}
