export { startRegistry, type TestRegistry } from './registry.ts';
