import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import { removeContainer } from '../engine/containers.ts';
import { FrameDemuxer } from '../engine/demux-frames.ts';
import { callEngine, hasStatus } from '../engine/engine.ts';
import type { Logger } from '../engine/logger.ts';
import { EgressUnenforceable } from './egress.ts';
import { CLEAR_SCRIPT, GATE_SCRIPT, READY } from './gate-script.ts';
import { type GateNames, type Guarded, noIpv6, packetRules } from './packet-rules.ts';

export interface GateHost {
  readonly engine: Docker;
  readonly options: {
    readonly hostName: string;
    readonly instance: string;
    /** An image that the engine has, with `sh` and `iptables`, like BuildKit's own. */
    readonly buildkitImage: string;
    readonly log: Logger;
  };
}

const READY_TIMEOUT_MS = 30_000;
const RULES_LABEL = 'kiln.egress';

const READY_POLL_MS = 50;
/** By name: start time of the gate whose rules are known to be in force. */
const inForce = new Map<string, string>();

/** By name: the last `ensureGate`, so that builders that start concurrently don't create the shared gate twice. */
const ensuring = new Map<string, Promise<string>>();

/**
 * Makes sure that the builders' network exists and that packets leaving it are filtered; returns the network's name. The rules are on the
 * machine's side of the bridge, where no build can circumvent them, and affect no other bridge. A container in the machine's network
 * namespace, the gate, maintains them.
 * @throws EgressUnenforceable if the rules can't be set @throws EngineError
 */
export async function ensureGate(host: GateHost, egress: Guarded): Promise<string> {
  const name = gateName(host);
  const before = ensuring.get(name) ?? Promise.resolve('');
  const next = before.catch(() => '').then(() => ensure(host, egress));
  ensuring.set(name, next);
  try {
    return await next;
  } finally {
    if (ensuring.get(name) === next) ensuring.delete(name);
  }
}

/** Removes the gate and its rules, and the network if nothing uses it any more. Does nothing if there is no gate. @throws EngineError */
export async function removeGate(host: GateHost): Promise<void> {
  const name = gateName(host);
  const gate = await find(host.engine, name);
  if (!gate) return;
  if (gate.State.Running) await clear(host.engine, name);
  await removeContainer(host.engine, name);
  await callEngine('remove the builders’ network', () => host.engine.getNetwork(name).remove()).catch(() => undefined);
}

async function ensure(host: GateHost, egress: Guarded): Promise<string> {
  const { engine } = host;
  const name = gateName(host);
  const spec = specOf(host, egress);
  const gate = await find(engine, name);
  const isSame = gate?.Config.Labels[RULES_LABEL] === spec.Labels[RULES_LABEL];
  if (isSame && gate?.State.Running && !gate.State.Restarting) {
    await awaitRules(engine, name, gate.State.StartedAt);
    return name;
  }
  await ensureNetwork(host);
  // The old gate's rules stay until the new ones replace them.
  if (gate) await removeContainer(engine, name);
  const container = await callEngine('create the egress gate', () => engine.createContainer({ ...spec, name }));
  try {
    await startAndAwait(container);
  } catch (error) {
    await removeContainer(engine, name);
    throw error;
  }
  host.options.log.info({ container: name, allowed: egress.allowed }, 'egress of builds is guarded');
  return name;
}

async function ensureNetwork(host: GateHost): Promise<void> {
  const { engine } = host;
  const name = gateName(host);
  try {
    await callEngine('inspect the builders’ network', () => engine.getNetwork(name).inspect());
    return;
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
  await callEngine('create the builders’ network', () =>
    engine.createNetwork({
      Name: name,
      Driver: 'bridge',
      EnableIPv6: false,
      Options: {
        'com.docker.network.bridge.name': namesOf(host).bridge,
        // Keeps builders of different isolation domains from reaching each other.
        'com.docker.network.bridge.enable_icc': 'false',
      },
    }),
  );
}

function specOf(host: GateHost, egress: Guarded) {
  const names = namesOf(host);
  const { buildkitImage } = host.options;
  const env = [
    `BRIDGE=${names.bridge}`,
    `CHAIN=${names.chain}`,
    `OWN_CHAIN=${names.ownChain}`,
    `RULES=${packetRules(egress, names)}`,
    `RULES6=${noIpv6(names)}`,
  ];
  const digest = createHash('sha256')
    .update([buildkitImage, GATE_SCRIPT, ...env].join('\n'))
    .digest('hex');
  return {
    Image: buildkitImage,
    Entrypoint: ['/bin/sh', '-c', GATE_SCRIPT],
    Cmd: [],
    Env: env,
    User: '0:0',
    Labels: { [RULES_LABEL]: digest },
    // There is nothing to shut down gracefully.
    StopSignal: 'SIGKILL',
    HostConfig: {
      NetworkMode: 'host',
      CapDrop: ['ALL'],
      CapAdd: ['NET_ADMIN', 'NET_RAW'],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: true,
      // For the lock file of iptables.
      Tmpfs: { '/run': '' },
      RestartPolicy: { Name: 'unless-stopped' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
    },
  };
}

/** Waits for the rules of a running gate: one that the engine has just restarted sets them only after a moment. */
async function awaitRules(engine: Docker, name: string, startedAt: string): Promise<void> {
  if (inForce.get(name) === startedAt) return;
  const since = new Date(startedAt).getTime() / 1000;
  const end = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const log = await callEngine('read the egress gate’s log', () =>
      engine.getContainer(name).logs({ stdout: true, stderr: true, since }),
    );
    if (log.includes(READY)) break;
    if (Date.now() > end)
      throw new EgressUnenforceable(`${name} has not set its packet rules: see docker logs ${name}`);
    await delay(READY_POLL_MS);
  }
  inForce.set(name, startedAt);
}

/** Resolves when the rules are in force. @throws EgressUnenforceable with iptables' error if they can't be set */
async function startAndAwait(container: Docker.Container): Promise<void> {
  const output = await callEngine('attach to the egress gate', () =>
    container.attach({ stream: true, stdout: true, stderr: true }),
  );
  const timer = setTimeout(() => (output as unknown as { destroy(): void }).destroy(), READY_TIMEOUT_MS);
  const demuxer = new FrameDemuxer();
  let text = '';
  try {
    await callEngine('start the egress gate', () => container.start(), READY_TIMEOUT_MS);
    for await (const chunk of output as AsyncIterable<Buffer>) {
      for (const { data } of demuxer.push(chunk)) text += data.toString();
      if (text.includes(READY)) return;
    }
  } finally {
    clearTimeout(timer);
  }
  const why = text.trim().split('\n').at(-1) || `no answer within ${READY_TIMEOUT_MS / 1000} s`;
  throw new EgressUnenforceable(
    `iptables of the BuildKit image could not set the packet rules, which requires NET_ADMIN in the host’s network: ${why}`,
  );
}

async function clear(engine: Docker, name: string): Promise<void> {
  const exec = await callEngine('clear the egress rules', () =>
    engine.getContainer(name).exec({ Cmd: ['/bin/sh', '-c', CLEAR_SCRIPT], AttachStdout: true, AttachStderr: true }),
  );
  const output = await callEngine('clear the egress rules', () => exec.start({ hijack: true, stdin: false }));
  for await (const _ of output);
}

async function find(engine: Docker, name: string): Promise<Docker.ContainerInspectInfo | undefined> {
  try {
    return await callEngine('inspect the egress gate', () => engine.getContainer(name).inspect());
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

/** Returns the name of the network and of the gate's container. */
export function gateName({ options: { hostName, instance } }: GateHost): string {
  return `kiln-egress-${hostName}-${instance}`;
}

/** Returns names within the limits: 15 characters for an interface, 28 for a chain. */
export function namesOf({ options: { hostName, instance } }: GateHost): GateNames {
  const id = createHash('sha256').update(`${hostName}\n${instance}`).digest('hex').slice(0, 8);
  return { bridge: `kiln-${id}`, chain: `KILN-${id}`, ownChain: `KILN-${id}-OWN` };
}
