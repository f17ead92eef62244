import { ISOLATIONS, readDomain, TRUSTS } from '@kiln/domain';
import { z } from 'zod';

/** Host names become part of queue, container and key names. */
export const hostName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and -, at most 63 long');

export const MAX_LABELS = 32;

export const labelName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9._/-]{0,61}[a-z0-9])?$/,
    'a label of lower-case letters, digits and . _ / -, at most 63 long',
  );
export const labelValue = z.string().regex(/^[A-Za-z0-9._-]{0,63}$/, 'letters, digits and . _ -, at most 63 long');

/** Labels by which operators tell hosts apart, such as `disk: nvme`; a build may ask for some. */
export const hostLabels = z
  .record(labelName, labelValue)
  .refine((labels) => Object.keys(labels).length <= MAX_LABELS, `at most ${MAX_LABELS} labels`);

/** Room on the file system of a worker's data directory. */
export const hostDisk = z.strictObject({ totalBytes: z.int().min(0), freeBytes: z.int().min(0) });
export type HostDisk = z.output<typeof hostDisk>;

/** Key of an isolation domain, as `isolationDomain` makes it. */
export const domainKey = z
  .string()
  .refine((key) => readDomain(key) !== undefined, 'the key of an isolation domain, as "trusted team web"');

/** Something of each isolation domain that a host has builders for. */
export const perDomain = <S extends z.ZodType>(schema: S) => z.record(z.string(), schema);

/** What a worker says of its host when it joins, and with each report after that. */
export const hostReport = z.strictObject({
  name: hostName,
  slots: z.int().min(1).max(1024),
  platforms: z.array(z.string()),
  labels: hostLabels.default({}),
  driver: z.enum(['docker-container', 'docker']),
  /** Classes whose builds it keeps apart. A worker that doesn't say so has one builder, which must stay the trusted builds’ own. */
  trust: z.array(z.enum(TRUSTS)).min(1).default(['trusted']),
  /** Who shares a builder. A worker that doesn't say so has one for all teams. */
  isolation: z.enum(ISOLATIONS).default('pool'),
  /** Whether it serves one isolation domain only: the first whose build it runs, for good (the `docker` driver). */
  oneDomain: z.boolean().default(false),
  /** That domain, once there is one. */
  domain: domainKey.optional(),
  /** Domains whose builders don't answer at present. */
  domainsAway: z.array(domainKey).optional(),
  engineVersion: z.string(),
  buildxVersion: z.string(),
  /** How much cache the host keeps. */
  cacheBudgetBytes: z.int().min(0).optional(),
  /** The part of each domain. */
  cacheBudgets: perDomain(z.int().min(0)).optional(),
  /** Who says so: Kiln's configuration, the engine's, or a guess from the size of the disk. */
  cacheBudgetFrom: z.enum(['configured', 'engine', 'estimated']).optional(),
  /** Absent where BuildKit doesn't say. */
  buildkitVersion: z.string().optional(),
  disk: hostDisk.optional(),
  /** False while the worker drains: it finishes what it holds and takes nothing new. */
  accepting: z.boolean().default(true),
});
export type HostReport = z.output<typeof hostReport>;
/** As a worker may give it. */
export type NewHostReport = Omit<HostReport, Defaulted> & Partial<Pick<HostReport, Defaulted>>;
type Defaulted = 'trust' | 'isolation' | 'oneDomain';
