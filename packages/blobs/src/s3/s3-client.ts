import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { S3Limits, S3Options } from './s3-options.ts';

/** Makes a client of any S3-compatible store. */
export function s3Client({ endpoint, region, ca, credentials }: S3Options, limits: S3Limits): S3Client {
  const agent = { keepAlive: true, maxSockets: limits.connections };
  return new S3Client({
    region,
    // Names of buckets as hosts need a certificate and a DNS entry for each, which most stores other than AWS don't have.
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    ...(credentials && { credentials }),
    maxAttempts: limits.attempts,
    retryMode: 'standard',
    // The SDK's default adds checksums that many stores refuse or don't know.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: endpoint === undefined,
    requestHandler: new NodeHttpHandler({
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent({ ...agent, ...(ca !== undefined && { ca }) }),
      connectionTimeout: limits.connectTimeoutMs,
      socketTimeout: limits.idleTimeoutMs,
    }),
  });
}
