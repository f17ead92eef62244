import { readFile } from 'node:fs/promises';
import type { BuildRequestInput, BuildView } from '@kiln/contracts';
import { imagesOf, parseReference, registriesOf } from '@kiln/domain';
import { badFlag } from '../../../framework/flag-values.ts';
import type { GivenContext } from '../request/context-flag.ts';
import { registryOf } from './docker-config.ts';
import { type ReadLogins, readLogins } from './read-logins.ts';

type Env = Readonly<Record<string, string | undefined>>;
/** A Dockerfile on this machine: the path of a file, or its bytes. */
export type DockerfileContent = { readonly path: string } | { readonly bytes: Uint8Array };

export interface LoginOptions {
  readonly env: Env;
  /** Registries that the build names in a place that isn't read here. */
  readonly more: readonly string[];
  /** Further contexts of the build. */
  readonly contexts: readonly GivenContext[];
  /** Undefined if it isn't on this machine. */
  readonly dockerfile: DockerfileContent | undefined;
}

/** Whether `--no-client-logins` or `KILN_CLIENT_LOGINS` keeps this machine's logins from builds. @throws UsageError */
export function isSwitchedOff(flag: boolean | undefined, { KILN_CLIENT_LOGINS: text = '' }: Env): boolean {
  if (text !== '' && text !== 'on' && text !== 'off') throw badFlag('KILN_CLIENT_LOGINS', text, 'on or off');
  return flag === true || text === 'off';
}

/**
 * Reads this machine's logins to the registries that a build names: in its tags, caches, attestations and contexts, in its Dockerfile, and in `more`. No others are
 * read, and no credential helper is asked for others.
 * @throws UsageError for a name in `more`
 */
export async function clientLogins(request: BuildRequestInput, options: LoginOptions): Promise<ReadLogins> {
  const { env, dockerfile, contexts } = options;
  const names = contexts.map(({ name }) => name);
  const more = options.more.map(registryFlag);
  const images = dockerfile ? imagesOf(await textOf(dockerfile), request.buildArgs ?? {}, names) : [];
  const named = registriesOf([...imagesOfRequest(request), ...contexts.flatMap(imageOf), ...images]);
  const { logins, warnings } = await readLogins([...new Set([...more, ...named])], env);
  const missing = more.filter((registry) => !logins.some((login) => login.registry === registry));
  return {
    logins,
    warnings: [...warnings, ...missing.map((name) => `--client-login ${name}: this machine has no login to it`)],
  };
}

/** Reads this machine's logins to the registries to which the client of an ended build sent some. @throws UsageError */
export async function loginsAgain({ request }: BuildView, isOff: boolean | undefined, env: Env): Promise<ReadLogins> {
  if (isSwitchedOff(isOff, env) || !request.clientLogins) return { logins: [], warnings: [] };
  return await readLogins(request.clientLogins.registries, env);
}

function imagesOfRequest({ tags = [], cache, sbom }: BuildRequestInput): string[] {
  const caches = [...(cache?.from ?? []), ...(cache?.to ?? [])];
  const [, generator] = typeof sbom === 'string' ? (/(?:^|,)generator=([^,]+)/.exec(sbom) ?? []) : [];
  return [
    ...tags,
    ...caches.flatMap((one) => (one.type === 'registry' ? [one.ref] : [])),
    ...(generator === undefined ? [] : [generator]),
  ];
}

function imageOf(context: GivenContext): string[] {
  return 'from' in context && context.from.type === 'image' ? [context.from.ref] : [];
}

function registryFlag(text: string): string {
  const registry = registryOf(text);
  if (parseReference(`${registry}/team/image`)?.domain === registry) return registry;
  throw badFlag('--client-login', text, 'the host[:port] of a registry, or docker.io');
}

async function textOf(content: DockerfileContent): Promise<string> {
  const bytes = 'path' in content ? await readFile(content.path) : content.bytes;
  return new TextDecoder().decode(bytes);
}
