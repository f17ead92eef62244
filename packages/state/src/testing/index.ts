export { TestRedis, type TestRedisOptions } from './test-redis.ts';
