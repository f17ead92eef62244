import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '@kiln/runtime/testing';

const USERNAME = 'robot';
const PASSWORD = 'opensesame-4711';
/** bcrypt of the password, made by htpasswd -B. */
const HTPASSWD = `${USERNAME}:$2y$05$abcdefghijklmnopqrstuuNS4OnT/b0DtFv/mehW4Q4o9mA8vYX62\n`;

export interface PrivateRegistry extends AsyncDisposable {
  /** `address:port`; engines use those of 127.0.0.1 without TLS. */
  readonly host: string;
  readonly username: string;
  readonly password: string;
  /** Lists the tags of a repository; empty if nothing was pushed. */
  tags(name: string): Promise<readonly string[]>;
}

export interface RegistryOptions {
  /** Default: 127.0.0.1. */
  readonly listenAt?: string;
  /** Whether everyone may pull and push. */
  readonly isOpen?: boolean;
  /** Makes it a pull-through cache of the registry at this URL. */
  readonly mirrorOf?: string;
}

/** Starts the real registry (CNCF Distribution), with a password. */
export async function startPrivateRegistry(options: RegistryOptions = {}): Promise<PrivateRegistry> {
  const { listenAt = '127.0.0.1', isOpen = false, mirrorOf } = options;
  const dir = await mkdtemp(join(tmpdir(), 'kiln-registry-'));
  const host = `${listenAt}:${await freePort(listenAt)}`;
  await writeFile(join(dir, 'htpasswd'), HTPASSWD);
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, 'data') } },
    http: { addr: host },
    ...(!isOpen && { auth: { htpasswd: { realm: 'test', path: join(dir, 'htpasswd') } } }),
    ...(mirrorOf !== undefined && { proxy: { remoteurl: mirrorOf } }),
  };
  // JSON is valid YAML.
  await writeFile(join(dir, 'config.yml'), JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', join(dir, 'config.yml')], { stdio: 'ignore' });
  await answers(`http://${host}/v2/`, child);
  const authorization = `Basic ${Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64')}`;
  return {
    host,
    username: USERNAME,
    password: PASSWORD,
    async tags(name) {
      const answer = await fetch(`http://${host}/v2/${name}/tags/list`, { headers: { authorization } });
      return answer.ok ? ((await answer.json()) as { tags: string[] }).tags : [];
    },
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  const failed = new Promise<never>((_, reject) => child.once('error', reject));
  while (
    !(await Promise.race([
      failed,
      fetch(url).then(
        () => true,
        () => false,
      ),
    ]))
  ) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    await delay(20);
  }
}
