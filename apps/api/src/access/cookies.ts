import { parseCookie, stringifySetCookie } from 'cookie';
import type { Response } from 'express';

/** Cookies of one site. Over https their names are bound to host, path and TLS by `__Host-`. */
export class Cookies {
  readonly #isSecure: boolean;

  /** `publicUrl`: https, or http on this machine, where browsers take no Secure cookie from. */
  constructor(publicUrl: string) {
    this.#isSecure = publicUrl.startsWith('https:');
  }

  /** The session's; it is sent with requests, but not with those that other sites make in the background. */
  readonly session = 'kiln-session';
  /** Holds a login that is under way, sealed. */
  readonly login = 'kiln-login';

  read(header: string | undefined, name: string): string | undefined {
    return header === undefined ? undefined : parseCookie(header)[this.#fullName(name)];
  }

  set(response: Response, name: string, value: string, maxAgeMs: number): void {
    const cookie = stringifySetCookie({
      ...{ name: this.#fullName(name), value, httpOnly: true, sameSite: 'lax', path: '/', secure: this.#isSecure },
      maxAge: Math.floor(maxAgeMs / 1_000),
    });
    response.append('Set-Cookie', cookie);
  }

  clear(response: Response, name: string): void {
    this.set(response, name, '', 0);
  }

  #fullName(name: string): string {
    return this.#isSecure ? `__Host-${name}` : name;
  }
}
