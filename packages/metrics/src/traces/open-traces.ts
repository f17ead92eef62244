import { hostname } from 'node:os';
import type { BuildRecord, PlacementDecision } from '@kiln/domain';
import type { Logger, Shutdown } from '@kiln/runtime';
import { z } from 'zod';
import manifest from '../../package.json' with { type: 'json' };
import type { Part } from '../definition.ts';
import type { TracedStep } from './build-spans.ts';

/** The settings of traces, as OpenTelemetry names them. */
export const tracesEnv = {
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'an http:// or https:// URL' })
    .optional()
    .describe(
      'receiver of traces by OTLP/HTTP in JSON, such as `http://collector:4318`; `/v1/traces` is added; unset: no traces ([traces.md](traces.md))',
    ),
  OTEL_EXPORTER_OTLP_HEADERS: z
    .string()
    .default('')
    .transform((text, ctx) => {
      const pairs = text.split(',').flatMap((pair) => (pair.trim() === '' ? [] : [pair.trim()]));
      const bad = pairs.some((pair) => !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*=[\x20-\x7e]*$/.test(pair));
      if (bad) {
        ctx.addIssue({ code: 'custom', message: 'name=value,…', input: text });
        return z.NEVER;
      }
      return Object.fromEntries(
        pairs.map((pair): [string, string] => {
          const at = pair.indexOf('=');
          return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
        }),
      );
    })
    .describe('headers for it, `name=value,…`, such as a token'),
  OTEL_SERVICE_NAME: z.string().default('kiln').describe('the name of the service in traces'),
};

export type TracesSettings = z.output<z.ZodObject<typeof tracesEnv>>;

/** Exports spans of builds that are traced. Cheap if a build isn't. */
export interface Traces {
  /** A change of a build that was stored. */
  changed(before: BuildRecord, after: BuildRecord): void;
  /** A build got a host. */
  placed(build: BuildRecord, decision: PlacementDecision): void;
  /** An attempt has run its steps. */
  ran(build: BuildRecord, attempt: number, steps: readonly TracedStep[]): void;
}

const CLOSE_LIMIT_MS = 3_000;

/** Begins to export traces, until the process stops. Undefined, and nothing is loaded, if no receiver is set. */
export async function startTraces(
  parts: readonly Part[],
  settings: TracesSettings,
  { log, shutdown }: { readonly log: Logger; readonly shutdown: Shutdown },
): Promise<Traces | undefined> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers } = settings;
  if (endpoint === undefined) return undefined;
  const [{ OtlpExporter }, spans] = await Promise.all([import('./otlp-exporter.ts'), import('./build-spans.ts')]);
  const exporter = new OtlpExporter({
    url: `${endpoint.replace(/\/$/, '')}/v1/traces`,
    headers,
    resource: {
      'service.name': settings.OTEL_SERVICE_NAME,
      'service.version': manifest.version,
      'service.instance.id': `${parts.join('+')}@${hostname()}`,
      'kiln.part': parts.join('+'),
      'process.pid': process.pid,
    },
    log,
  });
  shutdown.add('traces', () => exporter.close(), CLOSE_LIMIT_MS);
  return {
    changed: (before, after) => exporter.export(spans.spansOfEnd(before, after)),
    placed: (build, decision) => exporter.export(spans.spansOfPlacement(build, decision)),
    ran: (build, attempt, steps) => exporter.export(spans.spansOfSteps(build, attempt, steps)),
  };
}
