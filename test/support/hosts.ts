import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { copyEngineData } from '@kiln/buildkit/testing';
import { DEBIAN } from './dockerfiles.ts';
import { run } from './hosts/command.ts';
import { LabNetwork } from './hosts/network.ts';
import { requireHosts } from './hosts/requirements.ts';
import { TestHost } from './hosts/test-host.ts';

const JANITOR = new URL('./hosts/janitor.sh', import.meta.url).pathname;
const IMAGES = [DEBIAN, process.env.KILN_TOOL_IMAGE ?? 'kiln.local/tool:1'];

/** Starts hosts with these names, each with its own engine; see `TestHost`. Takes some seconds. The caller disposes of them. */
export async function startHosts(...names: string[]): Promise<TestHosts> {
  await requireHosts(IMAGES);
  const network = await LabNetwork.take();
  const dir = await mkdtemp(join(tmpdir(), `kiln-hosts-${network.number}-`));
  const hosts = new TestHosts(network, dir);
  try {
    await hosts.startAll(names);
    return hosts;
  } catch (error) {
    await hosts[Symbol.asyncDispose]().catch(() => {});
    throw error;
  }
}

/** Several hosts on this machine, in a network of their own. */
export class TestHosts implements AsyncDisposable {
  readonly #network: LabNetwork;
  readonly #dir: string;
  readonly #hosts = new Map<string, TestHost>();
  /** Notices when this process ends, however it ends, and then removes the hosts. */
  readonly #janitor: ChildProcessByStdio<Writable, null, Readable>;

  constructor(network: LabNetwork, dir: string) {
    this.#network = network;
    this.#dir = dir;
    this.#janitor = spawn('sh', [JANITOR, `${network.number}`, dir], {
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
    });
  }

  async startAll(names: readonly string[]): Promise<void> {
    await this.#network.open();
    for (const name of names) {
      this.#hosts.set(name, new TestHost(name, join(this.#dir, name), await this.#network.join(name)));
    }
    const hosts = [...this.#hosts.values()];
    const prepared = await Promise.all(
      hosts.map(async (host) => {
        await host.prepare(this.#network.subnet);
        const hasImages = await copyEngineData(IMAGES, host.dataRoot);
        await host.start();
        return hasImages;
      }),
    );
    if (!prepared.every(Boolean)) await this.#loadImages(hosts);
  }

  async #loadImages(hosts: readonly TestHost[]): Promise<void> {
    const images = join(this.#dir, 'images.tar');
    await run('docker', 'save', '--output', images, ...IMAGES);
    await Promise.all(hosts.map((host) => host.docker('load', '--quiet', '--input', images)));
    await rm(images);
  }

  /** Address of this machine in the hosts' network, at which Redis, API and registries listen for them. */
  get address(): string {
    return this.#network.address;
  }

  get names(): string[] {
    return [...this.#hosts.keys()];
  }

  has(name: string): boolean {
    return this.#hosts.has(name);
  }

  host(name: string): TestHost {
    const host = this.#hosts.get(name);
    if (!host) throw new Error(`no host named ${name}, expected one of: ${this.names.join(', ')}`);
    return host;
  }

  /** Restores working hosts, whatever a test did to them. */
  async recover(): Promise<void> {
    await Promise.all([...this.#hosts.values()].map((host) => host.recover()));
  }

  /** Removes everything. @throws Error that lists what could not be removed */
  async [Symbol.asyncDispose](): Promise<void> {
    const said = text(this.#janitor.stderr);
    const exited = once(this.#janitor, 'exit');
    this.#janitor.stdin.end();
    const [code] = await exited;
    if (code !== 0) throw new Error(`the hosts' janitor exited with ${code}: ${await said}`);
  }
}
