export { begin, FROM, IMAGES, lab, removeImages } from './lab.ts';
export { type PrivateEngine, startPrivateEngine } from './private-engine.ts';
export { type PrivateRegistry, startPrivateRegistry } from './private-registry.ts';
export { startRegistry, type TestRegistry } from './registry.ts';
