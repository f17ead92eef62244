export { startGitServer, type TestGitServer } from './git-server.ts';
export { removeImages } from './lab.ts';
export { type PrivateRegistry, startPrivateRegistry } from './private-registry.ts';
export { startRegistry, type TestRegistry } from './registry.ts';
