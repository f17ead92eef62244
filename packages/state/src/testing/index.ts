export { decisionFor } from './decision.ts';
export {
  FaultyRedis,
  type FaultyRedisOptions,
  REDIS_ERROR_REPLIES,
  REDIS_FAULTS,
  type RedisFault,
  type SeenCommand,
} from './faulty-redis.ts';
export { fillMemory, freeMemory } from './fill-memory.ts';
export { type Moment, moment } from './rewind.ts';
export { TestRedis, type TestRedisOptions } from './test-redis.ts';
export { TestSentinel } from './test-sentinel.ts';
