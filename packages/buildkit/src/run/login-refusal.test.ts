import type { BuildSpec } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { classifyFailure, type FailedRun } from '../outcome/classify-failure.ts';
import samples from '../outcome/failure-samples.json' with { type: 'json' };
import { explainRefusal, type TriedLogins } from './login-refusal.ts';

const REGISTRY = '127.0.0.1:18081';
const UPLOAD = { type: 'upload', name: 'app' } as const;
const NONE: TriedLogins = { logins: [], ownLogins: {}, trust: 'trusted', spec: { source: UPLOAD } };
const LOGIN = { host: REGISTRY, username: 'robot', password: 'hunter22' };
const CLIENT = { ...LOGIN, whose: 'client' as const };

function hintOf(sample: keyof typeof samples, tried: Partial<TriedLogins> = {}): string | undefined {
  const run = samples[sample] as unknown as FailedRun;
  const failure = classifyFailure(run);
  const explained = explainRefusal({ end: 'failed', failure }, run.failed, { ...NONE, ...tried });
  expect(explained.failure?.code).toBe(failure.code);
  return explained.failure?.message === failure.message
    ? undefined
    : explained.failure?.message.slice(failure.message.length);
}

const clientLogins = (ignored?: NonNullable<BuildSpec['clientLogins']>['ignored']) => ({
  spec: { source: UPLOAD, clientLogins: { registries: [REGISTRY], ...(ignored && { ignored }) } },
});

const STORE = `store a login for the team with kiln registry set ${REGISTRY}`;
const RUN = `run docker login ${REGISTRY} before kiln build`;

test.each<[string, 'pull401' | 'push401', Partial<TriedLogins>, string]>([
  ['none', 'pull401', {}, `requires a login, and the build had none: ${RUN}, or ${STORE}`],
  [
    'none of a git source, whose Dockerfile the client doesn’t read',
    'pull401',
    { spec: { source: { type: 'git', url: 'https://git.example/app' } } },
    `requires a login, and the build had none: ${RUN} with --client-login ${REGISTRY}, or ${STORE}`,
  ],
  [
    'the client’s',
    'push401',
    { logins: [CLIENT], ...clientLogins() },
    `refused the client’s login (user robot): check its password, and whether it may push there; renew it with docker login ${REGISTRY} where kiln build runs`,
  ],
  [
    'the client’s token',
    'pull401',
    { logins: [{ host: REGISTRY, identityToken: 'hunter22', whose: 'client' }] },
    `refused the client’s login (a token): check its password, and whether it may pull there; renew it with docker login ${REGISTRY} where kiln build runs`,
  ],
  [
    'the team’s',
    'push401',
    { logins: [LOGIN, { ...CLIENT, host: 'other.example' }] },
    `refused the team’s stored login (user robot): check its password, and whether it may push there; replace it with kiln registry set ${REGISTRY}`,
  ],
  [
    'the host’s',
    'push401',
    { ownLogins: { auths: { [REGISTRY]: {} } } },
    `refused the login of the host’s own configuration: ${RUN}, or ${STORE}`,
  ],
  [
    'none, because the operator has switched off the client’s',
    'push401',
    clientLogins('off'),
    `requires a login, and the build had none (the client’s logins to ${REGISTRY} were ignored: the server’s KILN_CLIENT_LOGINS is off): ${STORE}`,
  ],
  [
    'none, because the build is untrusted',
    'pull401',
    { trust: 'untrusted', ...clientLogins('untrusted') },
    `requires a login, and the build had none (the client’s logins to ${REGISTRY} were ignored: the build is untrusted): an untrusted build gets only stored logins that are marked for it: kiln registry set ${REGISTRY} --untrusted-ok`,
  ],
])('a refused build says that the login tried was %s, and what to do', (_, sample, tried, expected) => {
  expect(hintOf(sample, tried)).toBe(`\nregistry ${REGISTRY} ${expected}`);
});

test.each(['base1', 'base2', 'copyfrom', 'nobin', 'gitauth'] as const)('%s has nothing to do with logins', (sample) => {
  expect(hintOf(sample)).toBeUndefined();
});

test('Docker Hub’s refusals are understood, too', () => {
  const message =
    'acme/private:1: failed to resolve source metadata for docker.io/acme/private:1: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed';
  const outcome = { end: 'failed', failure: { code: 'base_image_unavailable', message } } as const;
  expect(explainRefusal(outcome, [], NONE).failure?.message).toBe(
    `${message}\nDocker Hub requires a login, and the build had none: run docker login before kiln build, or store a login for the team with kiln registry set docker.io`,
  );
});
