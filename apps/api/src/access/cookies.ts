import { parseCookie, stringifySetCookie } from 'cookie';
import type { Response } from 'express';

/** Reads and sets the cookies of one site. Over https the prefix `__Host-` binds them to host, path and TLS. */
export class Cookies {
  readonly #isSecure: boolean;

  /** `publicUrl` is https, or http on this machine, from where browsers accept no Secure cookie. */
  constructor(publicUrl: string) {
    this.#isSecure = publicUrl.startsWith('https:');
  }

  /** The session's cookie. Browsers send it only with requests of Kiln's own pages. */
  readonly session = 'kiln-session';
  /** The cookie of a login under way, sealed. */
  readonly login = 'kiln-login';

  read(header: string | undefined, name: string): string | undefined {
    return header === undefined ? undefined : parseCookie(header)[this.#fullName(name)];
  }

  set(response: Response, name: string, value: string, maxAgeMs: number): void {
    // The issuer sends the browser back from another site, and then the login's cookie is needed.
    const sameSite = name === this.session ? 'strict' : 'lax';
    const cookie = stringifySetCookie({
      ...{ name: this.#fullName(name), value, httpOnly: true, sameSite, path: '/', secure: this.#isSecure },
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
