import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuilderOptions, ContextSource } from '../builder-options.ts';
import { type BuilderHost, chooseDriver } from '../buildx-builder.ts';
import type { ToolContainer } from '../tool-container.ts';
import { EgressUnenforceable } from './egress.ts';
import { ensureGate, removeGate } from './gate.ts';
import { SOURCE_POLICY_VARIABLE, type SourcePolicy, sourcePolicy } from './source-policy.ts';

type Host = Pick<BuilderHost, 'options' | 'engine'>;

const PROBE_TIMEOUT_MS = 60_000;
/** Reserved (RFC 6761): where a policy doesn't hold, there is no such host, and the probe fails otherwise. */
const NOWHERE = 'http://kiln.invalid/';

/** Keeps one builder's builds to what they may reach. */
export class BuilderEgress {
  /** Docker network of whatever works on the builds; undefined: where it is anyway. */
  readonly network: string | undefined;
  readonly #host: Host;

  private constructor(host: Host, network: string | undefined) {
    this.#host = host;
    this.network = network;
  }

  /** Before the builder is brought up. @throws EgressUnenforceable @throws EngineError */
  static async prepare(host: Host): Promise<BuilderEgress> {
    const { egress } = host.options;
    if (egress?.mode !== 'guarded') return new BuilderEgress(host, undefined);
    const driver = await chooseDriver(host);
    if (driver === 'docker') {
      throw new EgressUnenforceable(
        'with the docker driver, RUN steps are in the engine’s own network, where Kiln has no rules, and ADD is fetched by the engine itself; ' +
          'use the docker-container driver, or KILN_BUILD_EGRESS=listed,HOST,… for FROM, ADD and git alone',
      );
    }
    return new BuilderEgress(host, await ensureGate(host, egress));
  }

  /** Has the rules be there still, or again; some milliseconds. @throws EgressUnenforceable @throws EngineError */
  async ensure(): Promise<void> {
    const { egress } = this.#host.options;
    if (egress?.mode === 'guarded') await ensureGate(this.#host, egress);
  }

  sourcePolicy(source: ContextSource): SourcePolicy | undefined {
    const { egress } = this.#host.options;
    if (egress?.mode !== 'listed') return undefined;
    return sourcePolicy(egress.hosts, source.type === 'git' ? source.url : undefined);
  }

  /** Once the builder is up: removes what an earlier setting has left, and tries out whether this BuildKit keeps to a policy. @throws EgressUnenforceable */
  async verify(tool: ToolContainer, builder: string): Promise<void> {
    const { options } = this.#host;
    if (options.egress?.mode !== 'guarded') await removeGate(this.#host);
    if (options.egress?.mode !== 'listed') return;
    const said = await probe(options, tool, builder);
    if (/denied by policy/.test(said)) return;
    const last = said.trim().split('\n').at(-1) ?? '';
    throw new EgressUnenforceable(
      `this BuildKit doesn’t keep to a source policy; buildx 0.12 and BuildKit 0.12 do: ${last}`,
    );
  }
}

/** What buildx says of a build that nothing may be fetched for. */
async function probe(options: BuilderOptions, tool: ToolContainer, builder: string): Promise<string> {
  const dir = join(options.scratchDir, 'egress-probe');
  await mkdir(dir, { recursive: true });
  try {
    await writeFile(join(dir, 'Dockerfile'), `FROM scratch\nADD ${NOWHERE} /\n`);
    await writeFile(join(dir, 'policy.json'), JSON.stringify(sourcePolicy([], undefined)));
    const argv = ['docker-buildx', 'build', `--builder=${builder}`, '--progress=plain', '--output=type=cacheonly', dir];
    const process = await tool.start({ argv, env: [`${SOURCE_POLICY_VARIABLE}=${join(dir, 'policy.json')}`] });
    const { stderr } = await process.capture(PROBE_TIMEOUT_MS);
    return stderr;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
