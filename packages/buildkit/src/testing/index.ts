export { startGitServer, type TestGitServer } from './git-server.ts';
export { type PrivateRegistry, startPrivateRegistry } from './private-registry.ts';
export { startRegistry, type TestRegistry } from './registry.ts';
