export { TestAuthority } from './certificates.ts';
export { copyEngineData } from './engine-data.ts';
export { begin, engine, FROM, IMAGES, type Lab, lab, removeBuilder, removeImages } from './lab.ts';
export { oncePerRun } from './once-per-run.ts';
export { OwnAddress } from './own-address.ts';
export { type PrivateEngine, startPrivateEngine } from './private-engine.ts';
export { type PrivateRegistry, startPrivateRegistry } from './private-registry.ts';
export { startRegistry, type TestRegistry } from './registry.ts';
export { BASE, smallRoot } from './small-root.ts';
