export { delivery, SECRET, sign } from './fixtures.ts';
export { GithubAppApi } from './github-app-api.ts';
export { breaks, hangs, StatusApi, says } from './status-api.ts';
