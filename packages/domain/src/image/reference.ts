/** An image reference, normalised as Docker does it. */
export interface ImageReference {
  /** `host[:port]` as written, or `docker.io`. */
  readonly domain: string;
  /** The repository's path in the registry. Official images of Docker Hub are below `library/`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
}

/** The parts of a reference as they are written. */
export interface ReferenceParts {
  readonly name: string;
  readonly tag?: string;
  readonly digest?: string;
}

const DOCKER_HUB = 'docker.io';
/** An older name of Docker Hub. */
const LEGACY_DOCKER_HUB = 'index.docker.io';
const OFFICIAL = 'library';

const DOMAIN_COMPONENT = /^[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*$/;
const IPV6 = /^\[[a-fA-F0-9:]+\]$/;
const PORT = /^[0-9]{1,5}$/;
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST_COMPONENT = /^[A-Za-z][A-Za-z0-9]*$/;
const DIGEST_HEX = /^[0-9a-fA-F]{32,}$/;

/** Splits a reference into name, tag and digest without checking any of them. A colon before the last `/` belongs to a port. */
export function splitReference(text: string): ReferenceParts {
  const at = text.indexOf('@');
  const tagged = at < 0 ? text : text.slice(0, at);
  const digest = at < 0 ? {} : { digest: text.slice(at + 1) };
  const colon = tagged.lastIndexOf(':');
  if (colon <= tagged.lastIndexOf('/')) return { name: tagged, ...digest };
  return { name: tagged.slice(0, colon), tag: tagged.slice(colon + 1), ...digest };
}

/**
 * Parses `[domain/]path[:tag][@digest]` by the grammar of github.com/distribution/reference, and completes it as
 * `ParseNormalizedNamed` does: the first component is a domain if it contains `.` or `:`, is `localhost` or isn't in lower case, otherwise
 * the image is on Docker Hub. No tag is added.
 * @returns undefined if the text isn't a reference
 */
export function parseReference(text: string): ImageReference | undefined {
  const { name, tag, digest } = splitReference(text);
  if (tag !== undefined && !TAG.test(tag)) return undefined;
  if (digest !== undefined && !isDigest(digest)) return undefined;
  const { domain, path } = normalised(name);
  if (!isDomain(domain) || !path.split('/').every((component) => PATH_COMPONENT.test(component))) return undefined;
  return { domain, path, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) };
}

/** `docker.io/library/app` for `app:1`: the image's full name without tag and digest. */
export function repositoryName({ domain, path }: ImageReference): string {
  return `${domain}/${path}`;
}

/** `docker.io/library/app:latest` for `app`: the full name with the tag that Docker assumes. A digest is left out. */
export function taggedName(reference: ImageReference): string {
  return `${repositoryName(reference)}:${reference.tag ?? 'latest'}`;
}

function normalised(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const hasDomain = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  const written = hasDomain ? first : DOCKER_HUB;
  const path = hasDomain ? name.slice(slash + 1) : name;
  const domain = written === LEGACY_DOCKER_HUB ? DOCKER_HUB : written;
  return { domain, path: domain === DOCKER_HUB && !path.includes('/') ? `${OFFICIAL}/${path}` : path };
}

function isDomain(text: string): boolean {
  const bracket = text.lastIndexOf(']');
  const colon = text.indexOf(':', bracket + 1);
  const host = colon < 0 ? text : text.slice(0, colon);
  if (colon >= 0 && !PORT.test(text.slice(colon + 1))) return false;
  return IPV6.test(host) || host.split('.').every((component) => DOMAIN_COMPONENT.test(component));
}

function isDigest(text: string): boolean {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, Math.max(colon, 0)).split(/[+._-]/);
  return algorithm.every((component) => DIGEST_COMPONENT.test(component)) && DIGEST_HEX.test(text.slice(colon + 1));
}
