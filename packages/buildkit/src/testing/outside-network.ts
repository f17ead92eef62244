import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

const SERVER = `require('node:http').createServer((_, response) => response.end('reached\\n')).listen(80, () => console.log('up'))`;

/**
 * Stands for another machine that is reached through this one: a network namespace with a web server at port 80. It has an address of a private
 * network, and the given ones.
 */
export class OutsideNetwork implements AsyncDisposable {
  readonly #namespace: string;
  readonly #link: string;
  readonly address: string;
  #server: ReturnType<typeof spawn> | undefined;
  readonly #routes: string[] = [];

  private constructor(id: number) {
    this.#namespace = `kiln-out-${id}`;
    this.#link = `kout${id}`;
    this.address = `10.98.${id % 250}.2`;
  }

  static async start(addresses: readonly string[]): Promise<OutsideNetwork> {
    const network = new OutsideNetwork(process.pid % 10_000);
    try {
      await network.#start(addresses);
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(addresses: readonly string[]): Promise<void> {
    const namespace = this.#namespace;
    const gateway = this.address.replace(/2$/, '1');
    ip('netns', 'add', namespace);
    ip('link', 'add', this.#link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    ip('addr', 'add', `${gateway}/30`, 'dev', this.#link);
    ip('link', 'set', this.#link, 'up');
    ip('-n', namespace, 'addr', 'add', `${this.address}/30`, 'dev', 'eth0');
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    ip('-n', namespace, 'route', 'add', 'default', 'via', gateway);
    for (const address of addresses) {
      ip('-n', namespace, 'addr', 'add', `${address}/32`, 'dev', 'lo');
      ip('route', 'add', `${address}/32`, 'via', this.address);
      this.#routes.push(`${address}/32`);
    }
    const server = spawn('ip', ['netns', 'exec', namespace, process.execPath, '-e', SERVER], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#server = server;
    await once(server.stdout, 'data');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server?.kill('SIGKILL');
    for (const route of this.#routes) attempt('route', 'del', route);
    attempt('link', 'del', this.#link);
    attempt('netns', 'del', this.#namespace);
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function attempt(...args: readonly string[]): void {
  try {
    ip(...args);
  } catch {
    // It doesn't exist.
  }
}
