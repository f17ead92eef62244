import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';

export const CLIENT = { clientId: 'kiln', clientSecret: 'the-secret-of-kiln-at-the-provider' };

/** A real OIDC provider, where people log in by name alone; the test sets their groups. */
export class TestProvider implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  /** Groups by name. */
  readonly groups: Map<string, string[]>;

  private constructor(server: Server, groups: Map<string, string[]>) {
    this.#server = server;
    this.groups = groups;
    this.url = urlOf(server);
  }

  /** `redirectUri` is that of the API that uses the provider. */
  static async start(redirectUri: string): Promise<TestProvider> {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const groups = new Map<string, string[]>();
    const provider = quietly(urlOf(server), {
      clients: [
        {
          client_id: CLIENT.clientId,
          client_secret: CLIENT.clientSecret,
          redirect_uris: [redirectUri],
          token_endpoint_auth_method: 'client_secret_post',
        },
      ],
      claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
      pkce: { required: () => true },
      ttl: { Interaction: 600, Session: 600, Grant: 600, IdToken: 600, AccessToken: 600, AuthorizationCode: 60 },
      cookies: { keys: ['a key of the tests'] },
      findAccount: (_ctx: unknown, id: string) => ({
        accountId: id,
        claims: () => ({ sub: id, preferred_username: id, groups: groups.get(id) ?? [] }),
      }),
    });
    server.on('request', provider.callback());
    return new TestProvider(server, groups);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Silences the provider's warnings that this isn't for production. */
function quietly(...args: ConstructorParameters<typeof Provider>): Provider {
  const { warn } = console;
  console.warn = () => {};
  try {
    return new Provider(...args);
  } finally {
    console.warn = warn;
  }
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
