import { BUILDER_ACTIONS, BUILDER_STATES, CACHE_MODES, ISOLATIONS, readDomain, TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { hostLabels } from './host-labels.ts';
import { hostNetwork } from './host-network.ts';

/** Host names become part of queue, container and key names. */
export const hostName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and -, at most 63 long');

/** Size and free space of the file system of a worker's data directory. */
export const hostDisk = z.strictObject({
  totalBytes: z.int().min(0),
  freeBytes: z.int().min(0),
  treeBytes: z
    .int()
    .min(0)
    .optional()
    .meta({ description: 'What working trees take: the host’s own copies of contexts.' }),
  treeBudgetBytes: z.int().min(0).optional().meta({ description: 'What working trees may take.' }),
  mirrorBytes: z.int().min(0).optional().meta({ description: 'What mirrors of git repositories take.' }),
  mirrorBudgetBytes: z.int().min(0).optional().meta({ description: 'What mirrors of git repositories may take.' }),
});
export type HostDisk = z.output<typeof hostDisk>;

/** How busy a host's processors are. */
export const hostLoad = z.strictObject({
  average: z.number().min(0).meta({ description: 'Load average of the last minute.' }),
  cpus: z.int().min(1).meta({ description: 'Processors that the worker may use.' }),
});

/** Key of an isolation domain, as returned by `isolationDomain`. */
export const domainKey = z
  .string()
  .refine((key) => readDomain(key) !== undefined, 'the key of an isolation domain, such as "trusted team web"');

/** A record of values by isolation domain. */
export const perDomain = <S extends z.ZodType>(schema: S) => z.record(z.string(), schema);

/** How many incidents of its builders a host reports. */
export const MAX_INCIDENTS = 20;

/** Fields of an incident, besides its time. */
export const incidentFields = {
  domain: domainKey.meta({ description: 'Key of the isolation domain whose builder it is.' }),
  state: z.enum(BUILDER_STATES).meta({ description: 'What was wrong with the builder.' }),
  action: z.enum(BUILDER_ACTIONS).meta({ description: 'What was done about it.' }),
  message: z.string().max(500).optional(),
};

/** What a worker reports about its host when it joins and at intervals after that. */
export const hostReport = z.strictObject({
  name: hostName,
  slots: z.int().min(1).max(1024),
  /** Those whose programs it runs. */
  platforms: z.array(z.string()),
  /** Those of them that it runs by emulation. A worker that doesn't report this doesn't tell them apart. */
  emulated: z.array(z.string()).optional(),
  labels: hostLabels.default({}),
  driver: z.enum(['docker-container', 'docker']),
  /** Trust classes that it isolates from each other. A worker that doesn't report them has one builder, only for trusted builds. */
  trust: z.array(z.enum(TRUSTS)).min(1).default(['trusted']),
  /** Which builds share a builder. A worker that doesn't report this has one builder for all teams. */
  isolation: z.enum(ISOLATIONS).default('pool'),
  /** Whether it serves only one isolation domain, permanently that of its first build (the `docker` driver). */
  oneDomain: z.boolean().default(false),
  /** The domain that it serves, after its first build. */
  domain: domainKey.optional(),
  /** Domains whose builders don't answer currently. */
  domainsAway: z.array(domainKey).optional(),
  /** Cache modes that it can build with. A worker that doesn't report them can only build `warm`. */
  cacheModes: z.array(z.enum(CACHE_MODES)).optional(),
  /** What was wrong with its builders lately, and what was done about it, the oldest first. Times in ms since the epoch. */
  incidents: z
    .array(z.strictObject({ at: z.number(), ...incidentFields }))
    .max(MAX_INCIDENTS)
    .optional(),
  engineVersion: z.string(),
  buildxVersion: z.string(),
  /** The host's cache budget. */
  cacheBudgetBytes: z.int().min(0).optional(),
  /** The budget of each domain. */
  cacheBudgets: perDomain(z.int().min(0)).optional(),
  /** Where the budget comes from: Kiln's configuration, the engine's, or an estimate from the size of the disk. */
  cacheBudgetFrom: z.enum(['configured', 'engine', 'estimated']).optional(),
  /** Absent if BuildKit doesn't report it. */
  buildkitVersion: z.string().optional(),
  disk: hostDisk.optional(),
  load: hostLoad.optional(),
  /** Absent if nothing is set, or the worker doesn't report it. */
  network: hostNetwork.optional(),
  /** Types of host tasks that it can carry out. A worker that doesn't report them can carry out none. */
  tasks: z.array(z.string()).optional(),
  /** What keeps it from taking builds although nobody asked for that: `low_disk`. A newer worker may report others. */
  conditions: z.array(z.string()).optional(),
  /** False while the worker drains: it finishes its builds and accepts no new ones. */
  accepting: z.boolean().default(true),
});
export type HostReport = z.output<typeof hostReport>;
/** A report as workers send it, where some fields are optional. */
export type NewHostReport = Omit<HostReport, Defaulted> & Partial<Pick<HostReport, Defaulted>>;
type Defaulted = 'trust' | 'isolation' | 'oneDomain';
