export { GitServer, type OddEntry } from './git-server.ts';
