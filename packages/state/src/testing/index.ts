export { decisionFor } from './decision.ts';
export { TestRedis, type TestRedisOptions } from './test-redis.ts';
