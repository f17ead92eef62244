import { run, succeeds } from './command.ts';

/** A host's place in the lab's network. */
export interface NetworkPlace {
  /** Path of its network namespace, for `nsenter --net=`. */
  readonly namespace: string;
  readonly address: string;
}

export interface CutOptions {
  /** Cuts only the traffic to and from this TCP port. Default: all traffic. */
  readonly port?: number;
}

/** Number of values of the third byte of a lab's subnet. */
const NUMBERS = 250;

/**
 * A bridge with its own subnet, 10.99.<number>.0/24, to which each host of a lab is connected from its own network namespace. This machine
 * has the address .1. The firewall rules name only this bridge and subnet, so that an engine of this machine is not affected.
 */
export class LabNetwork {
  readonly number: number;
  readonly address: string;
  readonly subnet: string;
  readonly #bridge: string;
  #hosts = 0;

  private constructor(number: number) {
    this.number = number;
    this.address = `10.99.${number}.1`;
    this.subnet = `10.99.${number}.0/24`;
    this.#bridge = `kilnlab${number}`;
  }

  /** Reserves a free number, also against other processes: the bridge's name is the lock. */
  static async take(): Promise<LabNetwork> {
    const routes = await run('ip', '-4', 'route', 'show');
    for (let number = process.pid % NUMBERS, tries = 0; tries < NUMBERS; tries++, number = (number + 1) % NUMBERS) {
      if (routes.includes(`10.99.${number}.`)) continue;
      const network = new LabNetwork(number);
      if (await succeeds('ip', 'link', 'add', network.#bridge, 'type', 'bridge')) return network;
    }
    throw new Error('no bridge could be created: 10.99.0.0/16 has no free subnet, or this user may not create one');
  }

  /** Gives the bridge its address, and lets its hosts reach other networks. */
  async open(): Promise<void> {
    const bridge = this.#bridge;
    await run('ip', 'addr', 'add', `${this.address}/24`, 'dev', bridge);
    await run('ip', 'link', 'set', bridge, 'up');
    await firewall('-t', 'nat', '-A', 'POSTROUTING', '-s', this.subnet, '!', '-o', bridge, '-j', 'MASQUERADE');
    // Before Docker's own rules, which drop unknown traffic.
    await firewall('-I', 'FORWARD', '-i', bridge, '-j', 'ACCEPT');
    await firewall('-I', 'FORWARD', '-o', bridge, '-j', 'ACCEPT');
  }

  /** Connects a further host to the bridge. */
  async join(name: string): Promise<NetworkPlace> {
    const index = ++this.#hosts;
    const namespace = `${this.#bridge}-${name}`;
    const address = `10.99.${this.number}.${index + 1}`;
    const cable = `klab${this.number}h${index}`;
    await run('ip', 'netns', 'add', namespace);
    await run('ip', 'link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    await run('ip', 'link', 'set', cable, 'master', this.#bridge, 'up');
    await run('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
    await run('ip', '-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    await run('ip', '-n', namespace, 'link', 'set', 'eth0', 'up');
    await run('ip', '-n', namespace, 'route', 'add', 'default', 'via', this.address);
    return { namespace: `/run/netns/${namespace}`, address };
  }
}

/** Drops packets in both directions, as an unplugged cable would: connections are not closed. */
export async function cutLink(place: NetworkPlace, { port }: CutOptions): Promise<void> {
  for (const rule of rules(port)) await firewallOf(place, '-I', ...rule);
}

export async function mendLink(place: NetworkPlace, { port }: CutOptions): Promise<void> {
  for (const rule of rules(port)) await firewallOf(place, '-D', ...rule);
}

function rules(port: number | undefined): string[][] {
  const [inward, outward] = [
    ['-i', 'eth0'],
    ['-o', 'eth0'],
  ] as const;
  const only = (side: string) => (port === undefined ? [] : ['-p', 'tcp', `--${side}`, `${port}`]);
  return [
    ['INPUT', ...inward, ...only('sport'), '-j', 'DROP'],
    ['OUTPUT', ...outward, ...only('dport'), '-j', 'DROP'],
    // For containers with their own network.
    ['FORWARD', ...inward, ...only('sport'), '-j', 'DROP'],
    ['FORWARD', ...outward, ...only('dport'), '-j', 'DROP'],
  ];
}

async function firewall(...args: string[]): Promise<void> {
  await run('iptables', '-w', '10', ...args);
}

async function firewallOf({ namespace }: NetworkPlace, ...args: string[]): Promise<void> {
  await run('nsenter', `--net=${namespace}`, 'iptables', '-w', '10', ...args);
}
