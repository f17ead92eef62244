import { CookieJar } from 'tough-cookie';

/** As much of a browser as logins need: keeps cookies by the rules, follows redirects, fills in forms. */
export class Browser {
  readonly jar = new CookieJar();

  /** Sends one request without following redirects. */
  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    const cookie = await this.jar.getCookieString(url);
    const headers = new Headers(init.headers);
    if (cookie !== '') headers.set('cookie', cookie);
    const answer = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) await this.jar.setCookie(line, url);
    return answer;
  }

  /** Follows redirects until a page comes, or until `stop` returns true for an address, which then isn't requested. */
  async go(url: string, stop: (url: URL) => boolean = () => false, init?: RequestInit): Promise<Page> {
    let at = new URL(url);
    let next = init;
    for (let i = 0; i < 20; i += 1) {
      if (stop(at)) return { url: at, answer: undefined, text: '' };
      const answer = await this.fetch(at.href, next);
      const location = answer.headers.get('location');
      if (location === null) return { url: at, answer, text: await answer.text() };
      await answer.arrayBuffer();
      at = new URL(location, at);
      next = undefined;
    }
    throw new Error(`too many redirects, at last to ${at}`);
  }

  /** Sends the form of a page, with its hidden fields and `fields`. */
  async submit({ url, text }: Page, fields: Record<string, string>, stop?: (url: URL) => boolean): Promise<Page> {
    const action = /<form[^>]* action="([^"]+)"/.exec(text)?.[1];
    if (action === undefined) throw new Error(`no form at ${url}: ${text}`);
    const body = new URLSearchParams(fields);
    for (const [, name = '', value = ''] of text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)) {
      body.set(name, value);
    }
    return this.go(new URL(action, url).href, stop, { method: 'POST', body });
  }
}

export interface Page {
  readonly url: URL;
  /** Undefined if nothing was requested. */
  readonly answer: Response | undefined;
  readonly text: string;
}
