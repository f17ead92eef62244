import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { ZodError } from 'zod';
import type { Problem } from '../shared/problem.ts';
import { ServiceError } from './errors.ts';

const statusOf: Record<ServiceError['code'], number> = {
  not_found: 404,
  revision_conflict: 409,
  in_use: 409,
};

export function handleError(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof ZodError) {
    const issues = error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }));
    return answer(reply, 400, { code: 'invalid_request', message: 'the request does not fit its schema', issues });
  }
  if (error instanceof ServiceError) {
    return answer(reply, statusOf[error.code], { code: error.code, message: error.message });
  }
  const status = 'statusCode' in error ? (error.statusCode ?? 500) : 500;
  if (status >= 500) {
    request.log.error({ err: error }, 'request failed');
    return answer(reply, status, { code: 'internal_error', message: 'something went wrong here' });
  }
  return answer(reply, status, { code: 'bad_request', message: error.message });
}

function answer(reply: FastifyReply, status: number, problem: Problem): FastifyReply {
  return reply.code(status).send(problem);
}
