import { isIP } from 'node:net';
import { z } from 'zod';

const HOST = /^[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62}){0,20}$/;

/** `host` or `host:port` of a registry, as in image references. */
export function isRegistry(text: string): boolean {
  const { host, port } = /^(?<host>.+?)(?::(?<port>[0-9]{1,5}))?$/.exec(text)?.groups ?? {};
  return host !== undefined && isHost(host) && (port === undefined || Number(port) <= 65_535);
}

/** A host name in lower case, an IPv4 address, or an IPv6 address in brackets. */
export function isHost(text: string): boolean {
  if (text.startsWith('[')) return text.endsWith(']') && isIP(text.slice(1, -1)) === 6;
  return HOST.test(text);
}

/**
 * An optional list separated by commas.
 * @param expected describes the list in errors
 * @param read returns an element's value, or says by a `WrongElement` why it has none
 */
export function listOf<T>(expected: string, read: (text: string) => T) {
  return z
    .string()
    .optional()
    .transform((text, ctx): T[] | undefined => {
      const parts = (text ?? '')
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
      if (parts.length === 0) return undefined;
      try {
        return parts.map(read);
      } catch (error) {
        if (!(error instanceof WrongElement)) throw error;
        ctx.addIssue({ code: 'custom', message: `${expected}; ${error.message}`, input: text });
        return z.NEVER;
      }
    });
}

/** Why an element of a list can't be used; completes a sentence after the list's description. */
export class WrongElement extends Error {}

/** Splits `name=value`. @throws WrongElement */
export function pairOf(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at <= 0 || at === text.length - 1)
    throw new WrongElement(`${JSON.stringify(text)} is not of the form name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Returns a registry as it is. @throws WrongElement */
export function registry(text: string): string {
  if (isRegistry(text)) return text;
  throw new WrongElement(`${JSON.stringify(text)} is not a registry, such as docker.io or registry.corp.example:5000`);
}
