import { s3Env } from '@kiln/blobs';
import { metricsEnv, tracesEnv } from '@kiln/metrics';
import { commonEnv, wholeNumber } from '@kiln/runtime';
import { z } from 'zod';
import { accessEnv } from './access/settings.ts';
import { API_DEFAULTS } from './config.ts';
import { storageEnv } from './storage-settings.ts';

/** The settings of an API process, by the names of their environment variables. */
export const apiEnv = {
  ...commonEnv,
  ...metricsEnv,
  ...tracesEnv,
  KILN_HOST: z.string().default(API_DEFAULTS.host).describe('the address to listen on'),
  KILN_PORT: wholeNumber(0, API_DEFAULTS.port).describe('the port to listen on; 0: any free one'),
  ...accessEnv,
  KILN_TOKEN: z.string().optional().describe('the token of the local admin'),
  KILN_TOKEN_FILE: z.string().optional().describe('a file that contains `KILN_TOKEN`'),
  KILN_JOIN_TOKEN: z.string().optional().describe('lets workers join; must differ from `KILN_TOKEN`'),
  KILN_JOIN_TOKEN_FILE: z.string().optional().describe('a file that contains `KILN_JOIN_TOKEN`'),
  KILN_WORKER_REDIS_URL: z
    .string()
    .optional()
    .describe('where workers that join find Redis; without it `KILN_REDIS_URL`'),
  KILN_BLOB_DIR: z
    .string('a directory for contexts, logs and artifacts, shared by all API processes')
    .describe(
      'directory of contexts, ended logs, documents of ended builds and artifacts, the same for all API processes; with `KILN_S3_BUCKET`, one of this process’ own for uploads while they arrive',
    ),
  ...s3Env,
  ...storageEnv,
};
