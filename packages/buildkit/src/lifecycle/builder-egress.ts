import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Failure } from '@kiln/domain';
import { EgressUnenforceable } from '../egress/egress.ts';
import { ensureGate, removeGate } from '../egress/gate.ts';
import { unlistedCaches } from '../egress/listed-caches.ts';
import { SOURCE_POLICY_VARIABLE, type SourcePolicy, sourcePolicy } from '../egress/source-policy.ts';
import type { ContextSource, RunRequest } from '../run/run-request.ts';
import type { ToolContainer } from '../tool/tool-container.ts';
import type { BuilderOptions } from './builder-options.ts';
import { type BuilderHost, chooseDriver } from './buildx-builder.ts';

type Host = Pick<BuilderHost, 'options' | 'engine'>;

const PROBE_TIMEOUT_MS = 60_000;
/** Reserved (RFC 6761), so if the policy isn't enforced, the probe fails with another error. */
const NOWHERE = 'http://kiln.invalid/';

/** Enforces the egress rules of one builder's builds. */
export class BuilderEgress {
  /** Docker network for the tool container and the builder; undefined for their defaults. */
  readonly network: string | undefined;
  readonly #host: Host;

  private constructor(host: Host, network: string | undefined) {
    this.#host = host;
    this.network = network;
  }

  /** Prepares the rules before the builder is started. @throws EgressUnenforceable @throws EngineError */
  static async prepare(host: Host): Promise<BuilderEgress> {
    const { egress } = host.options;
    if (egress?.mode !== 'guarded') return new BuilderEgress(host, undefined);
    const driver = await chooseDriver(host);
    if (driver === 'docker') {
      throw new EgressUnenforceable(
        'with the docker driver, RUN steps use the engine’s own network, where Kiln sets no rules, and the engine itself fetches ADD; ' +
          'use the docker-container driver, or KILN_BUILD_EGRESS=listed,HOST,… which applies to FROM, ADD and git only',
      );
    }
    return new BuilderEgress(host, await ensureGate(host, egress));
  }

  /** Makes sure that the rules are in force; takes some milliseconds. @throws EgressUnenforceable @throws EngineError */
  async ensure(): Promise<void> {
    const { egress } = this.#host.options;
    if (egress?.mode === 'guarded') await ensureGate(this.#host, egress);
  }

  /** Returns the source policy for a build; undefined if BuildKit may fetch from anywhere. */
  sourcePolicy(sources: readonly ContextSource[]): SourcePolicy | undefined {
    const { egress } = this.#host.options;
    if (egress?.mode !== 'listed') return undefined;
    return sourcePolicy(
      egress.hosts,
      sources.flatMap((source) => (source.type === 'git' ? [source.url] : [])),
    );
  }

  /** Returns why BuildKit may not use the servers of a build's caches; undefined if it may. */
  refusedCaches({ spec, cachePlaces }: RunRequest): Failure | undefined {
    const { egress } = this.#host.options;
    if (egress?.mode !== 'listed' || !cachePlaces) return undefined;
    return unlistedCaches(egress.hosts, spec, cachePlaces);
  }

  /** Once the builder runs: removes the rules of an earlier setting, and checks that this BuildKit enforces source policies. @throws EgressUnenforceable */
  async verify(tool: ToolContainer, builder: string): Promise<void> {
    const { options } = this.#host;
    if (options.egress?.mode !== 'guarded') await removeGate(this.#host);
    if (options.egress?.mode !== 'listed') return;
    const stderr = await probe(options, tool, builder);
    if (/denied by policy/.test(stderr)) return;
    const last = stderr.trim().split('\n').at(-1) ?? '';
    throw new EgressUnenforceable(
      `this BuildKit doesn’t enforce source policies, which takes buildx 0.12 and BuildKit 0.12: ${last}`,
    );
  }
}

/** Returns buildx's errors for a build whose policy forbids its ADD. */
async function probe(options: BuilderOptions, tool: ToolContainer, builder: string): Promise<string> {
  const dir = join(options.scratchDir, 'egress-probe');
  await mkdir(dir, { recursive: true });
  try {
    await writeFile(join(dir, 'Dockerfile'), `FROM scratch\nADD ${NOWHERE} /\n`);
    await writeFile(join(dir, 'policy.json'), JSON.stringify(sourcePolicy([], [])));
    const argv = ['docker-buildx', 'build', `--builder=${builder}`, '--progress=plain', '--output=type=cacheonly', dir];
    const process = await tool.start({ argv, env: [`${SOURCE_POLICY_VARIABLE}=${join(dir, 'policy.json')}`] });
    const { stderr } = await process.capture(PROBE_TIMEOUT_MS);
    return stderr;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
