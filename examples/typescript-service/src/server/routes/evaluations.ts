import type { FastifyPluginAsync } from 'fastify';
import { evaluationRequestSchema } from '../../shared/evaluation.ts';
import type { Services } from '../app.ts';
import { evaluate } from '../domain/evaluate.ts';

export function evaluationRoutes({ catalog, usage }: Services): FastifyPluginAsync {
  return async (app) => {
    app.post('/evaluations', async (request) => {
      const { environment, subject, flags: keys } = evaluationRequestSchema.parse(request.body);
      const flags = keys === undefined ? catalog.flags() : keys.map((key) => catalog.flag(key));
      const evaluations = flags.map((flag) =>
        evaluate(flag, environment, subject, (segment) => catalog.findSegment(segment)),
      );
      for (const evaluation of evaluations) usage.count(evaluation);
      return evaluations;
    });
  };
}
