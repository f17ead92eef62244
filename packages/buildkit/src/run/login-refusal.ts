import type { BuildSpec } from '@kiln/contracts';
import { ignoredLogins, parseReference, type Trust } from '@kiln/domain';
import type { RunOutcome } from '../outcome/outcome.ts';
import type { FailedStep } from '../progress/decode-status.ts';
import { type DockerConfig, mayHaveLogin, type RegistryLogin } from './docker-config.ts';

/** The logins with which a build ran. */
export interface TriedLogins {
  /** Those of the client and of the team. */
  readonly logins: readonly RegistryLogin[];
  /** The host's own configuration. */
  readonly ownLogins: DockerConfig;
  readonly trust: Trust;
  readonly spec: Pick<BuildSpec, 'source' | 'clientLogins'>;
}

const REFUSALS: readonly RegExp[] = [
  /\b401 Unauthorized\b/,
  /\b403 Forbidden\b/,
  /\bauthorization failed\b/,
  /\bno basic auth credentials\b/,
  /\binsufficient_scope\b/,
  /\bunauthorized\b/,
  /\bauthentication required\b/,
  /\bincorrect username or password\b/,
  /\b(?:access|pull access|permission) (?:to the resource is )?denied\b/i,
  /\bdenied: /,
];

/** Where texts of BuildKit and buildx name the image that was pulled or pushed. */
const IMAGES: readonly RegExp[] = [
  /\bfailed to push (\S+?):? /,
  /^pushing (\S+) with docker$/,
  /\bfailed to resolve source metadata for (\S+?):? /,
  /^\[internal\] load metadata for (\S+)$/,
  /^resolve image config for (?:docker-image:\/\/)?(\S+)$/,
];

/** Adds to a failed pull or push that a registry refused: which registry, whose login was tried, and what to do. */
export function explainRefusal(outcome: RunOutcome, failed: readonly FailedStep[], tried: TriedLogins): RunOutcome {
  const { failure } = outcome;
  if (failure?.code !== 'push_refused' && failure?.code !== 'base_image_unavailable') return outcome;
  const texts = [failure.message, ...failed.slice(0, 1).flatMap(({ name, error }) => [name, error])];
  if (!texts.some((text) => REFUSALS.some((pattern) => pattern.test(text)))) return outcome;
  const [image] = texts.flatMap((text) => IMAGES.flatMap((pattern) => pattern.exec(text)?.[1] ?? []));
  const registry = image === undefined ? undefined : parseReference(image)?.domain;
  if (registry === undefined) return outcome;
  const hint = hintOf(registry, failure.code === 'push_refused', tried);
  return { ...outcome, failure: { ...failure, message: `${failure.message}\n${hint}` } };
}

function hintOf(registry: string, isPush: boolean, { logins, ownLogins, trust, spec }: TriedLogins): string {
  const where = registry === 'docker.io' ? 'Docker Hub' : `registry ${registry}`;
  const command = registry === 'docker.io' ? 'docker login' : `docker login ${registry}`;
  const login = logins.find(({ host }) => host === registry);
  const check = `check its password, and whether it may ${isPush ? 'push' : 'pull'} there`;
  if (login?.whose === 'client') {
    return `${where} refused the client’s login${userOf(login)}: ${check}; renew it with ${command} where kiln build runs`;
  }
  if (login) {
    return `${where} refused the team’s stored login${userOf(login)}: ${check}; replace it with kiln registry set ${registry}`;
  }
  const ignored = spec.clientLogins?.registries.includes(registry) && ignoredLogins(spec.clientLogins);
  const had = mayHaveLogin(ownLogins, registry)
    ? `${where} refused the login of the host’s own configuration`
    : `${where} requires a login, and the build had none`;
  return `${had}${ignored ? ` (${ignored})` : ''}: ${waysOut(registry, command, trust, spec)}`;
}

function waysOut(
  registry: string,
  command: string,
  trust: Trust,
  { source, clientLogins }: TriedLogins['spec'],
): string {
  if (trust === 'untrusted') {
    return `an untrusted build gets only stored logins that are marked for it: kiln registry set ${registry} --untrusted-ok`;
  }
  const store = `store a login for the team with kiln registry set ${registry}`;
  if (clientLogins?.ignored === 'off') return store;
  const named = source.type === 'git' ? ` with --client-login ${registry}` : '';
  return `run ${command} before kiln build${named}, or ${store}`;
}

function userOf(login: RegistryLogin): string {
  return 'username' in login ? ` (user ${login.username})` : ' (a token)';
}
