export { decisionFor } from './decision.ts';
export { type Moment, moment } from './rewind.ts';
export { TestRedis, type TestRedisOptions } from './test-redis.ts';
