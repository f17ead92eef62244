import { z } from 'zod';
import { ENTITLEMENTS } from './constants.ts';

// Options that are passed to buildx as they are. All are optional, so that requests without them stay what they were for older workers.

const MAX_ITEMS = 64;
const MAX_SHM_BYTES = 64 * 1024 ** 3;

/** The resource limits that Docker knows, see setrlimit(2). */
export const ULIMITS = [
  ...(['core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc'] as const),
  ...(['rss', 'rtprio', 'rttime', 'sigpending', 'stack'] as const),
] as const;

/** What an annotation is attached to. */
export const ANNOTATION_LEVELS = ['manifest', 'index', 'manifest-descriptor', 'index-descriptor'] as const;

/** `KEY=VALUE`, `LEVEL:KEY=VALUE` or `LEVEL[PLATFORM],…:KEY=VALUE`. A key contains no colon, which ends the levels. */
const ANNOTATION = /^(?:([a-z-]+(?:\[[A-Za-z0-9_/-]+\])?(?:,[a-z-]+(?:\[[A-Za-z0-9_/-]+\])?)*):)?[^:=\s]+=[^\0]*$/;

function isAnnotation(text: string): boolean {
  const found = ANNOTATION.exec(text);
  const levels = found?.[1]?.split(',').map((level) => level.split('[', 1)[0]) ?? [];
  return found !== null && levels.every((level) => ANNOTATION_LEVELS.some((known) => known === level));
}

export const annotations = z
  .array(
    z
      .string()
      .max(4_096, { abort: true })
      .refine(
        isAnnotation,
        `[LEVEL[,LEVEL]:]KEY=VALUE, where LEVEL is ${ANNOTATION_LEVELS.join(', ')}, with [PLATFORM] if needed`,
      ),
  )
  .max(MAX_ITEMS)
  .optional()
  .meta({
    description:
      'Annotations of the image, in buildx’s notation: `KEY=VALUE` for the manifest, `index:KEY=VALUE`, `manifest[linux/amd64]:KEY=VALUE`.',
  });

export const noCacheFilter = z
  .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'the name of a stage'))
  .max(MAX_ITEMS)
  .optional()
  .meta({ description: 'Stages whose steps run even if they are cached. Cannot be combined with `noCache`.' });

const ADDRESS = z.union([z.ipv4(), z.ipv6()]);

/** Checked apart, so that the error is one sentence instead of one for each family. */
function isAddress(text: string): boolean {
  return ADDRESS.safeParse(text).success;
}

export const extraHosts = z
  .array(
    z.strictObject({
      host: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$/, 'a host name'),
      ip: z.string().max(45).refine(isAddress, 'an IP address'),
    }),
  )
  .max(MAX_ITEMS)
  .optional()
  .meta({ description: 'Host names and their addresses for RUN steps, beside those that DNS knows.' });

/** What BuildKit's frontend can say of a Dockerfile instead of building it. */
export const CALL_METHODS = ['check', 'outline', 'targets'] as const;

export const call = z
  .strictObject({ method: z.enum(CALL_METHODS), format: z.enum(['text', 'json']).default('text') })
  .optional()
  .meta({
    description:
      'Evaluates the Dockerfile instead of building it, as `docker buildx build --call` does: `check` it, list the arguments and secrets of the target (`outline`), or the `targets`. The artifact is what buildx prints. Needs `output.type` `none`.',
  });

export const entitlements = z.array(z.enum(ENTITLEMENTS)).max(ENTITLEMENTS.length).optional().meta({
  description:
    'Privileges that RUN steps may ask for. Only for trusted builds, on hosts whose operator grants them (`KILN_ENTITLEMENTS`).',
});

export const networkMode = z.enum(['none', 'host']).optional().meta({
  description:
    'Network of all RUN steps: `none`, or the `host`’s, which needs the entitlement `network.host`. Default: BuildKit’s.',
});

const limit = z.int().min(-1);

/** Limits of RUN containers that every buildx supports. */
export const runLimits = {
  shmSizeBytes: z.int().min(1).max(MAX_SHM_BYTES).optional().meta({ description: 'Size of `/dev/shm` in RUN steps.' }),
  ulimits: z
    .array(z.strictObject({ name: z.enum(ULIMITS), soft: limit, hard: limit }))
    .max(ULIMITS.length)
    .optional()
    .meta({ description: 'Resource limits of processes in RUN steps (setrlimit). -1: unlimited.' }),
};
