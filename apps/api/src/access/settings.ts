import { wholeNumber } from '@kiln/runtime';
import { z } from 'zod';
import { API_DEFAULTS, type ApiConfig } from '../config.ts';
import { KEY_TIMES } from '../oidc/issuer-keys.ts';
import { readOidcFile } from '../oidc/read-file.ts';
import { trustProxy } from './trust-proxy.ts';

const DAY_MS = 24 * 3_600_000;

/** Variables by which an operator says who may come in, the same for `kiln up` and an API of its own. */
export const accessEnv = {
  KILN_TRUST_PROXY: trustProxy,
  KILN_OIDC_FILE: z.string().optional(),
  KILN_AUDIT_RETENTION_DAYS: wholeNumber(1, API_DEFAULTS.auditRetentionMs / DAY_MS),
};

type AccessEnv = z.output<z.ZodObject<typeof accessEnv>>;

/** What they say. @throws InvalidEnvironment */
export function accessConfig(env: AccessEnv): Pick<ApiConfig, 'trustProxy' | 'auditRetentionMs' | 'oidc'> {
  return {
    trustProxy: env.KILN_TRUST_PROXY,
    auditRetentionMs: env.KILN_AUDIT_RETENTION_DAYS * DAY_MS,
    ...(env.KILN_OIDC_FILE !== undefined && {
      oidc: { ...readOidcFile(env.KILN_OIDC_FILE), keyTimes: KEY_TIMES },
    }),
  };
}
