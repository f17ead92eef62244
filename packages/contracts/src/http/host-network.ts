import { z } from 'zod';

/** How a host's builders reach the network, and the limits of their steps, as its worker has them. Contains no credentials. */
export const hostNetwork = z
  .object({
    mirrors: z
      .record(z.string(), z.array(z.string()))
      .optional()
      .meta({ description: 'By registry, in the order in which they are asked.' }),
    plainHttp: z.array(z.string()).optional().meta({ description: 'Registries without TLS.' }),
    insecureSkipVerify: z
      .array(z.string())
      .optional()
      .meta({ description: 'Registries whose certificates are not verified.' }),
    authorities: z
      .array(z.object({ registry: z.string().optional(), subject: z.string(), expiresAt: z.iso.datetime() }))
      .optional()
      .meta({ description: 'Certificate authorities: of one registry, or of everything that BuildKit fetches.' }),
    proxy: z
      .object({
        http: z.string().optional(),
        https: z.string().optional(),
        no: z.string().optional(),
        for: z.enum(['builds', 'builder', 'both']),
      })
      .optional(),
    dns: z
      .object({
        servers: z.array(z.string()).optional(),
        search: z.array(z.string()).optional(),
        options: z.array(z.string()).optional(),
      })
      .optional(),
    maxParallelism: z.int().optional().meta({ description: 'Steps that each builder runs at the same time.' }),
    limits: z
      .object({ memoryBytes: z.int().optional(), cpus: z.number().optional(), pids: z.int().optional() })
      .optional()
      .meta({ description: 'Limits of the RUN steps of each builder together.' }),
    configKeys: z
      .array(z.string())
      .optional()
      .meta({ description: 'What the host’s additional `buildkitd.toml` sets.' }),
  })
  .meta({ id: 'HostNetwork' });
export type HostNetwork = z.output<typeof hostNetwork>;
