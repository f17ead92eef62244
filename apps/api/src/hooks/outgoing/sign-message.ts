import { createHmac } from 'node:crypto';

/** Headers of Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`, the key in base64 after `whsec_`. */
export function signMessage(id: string, body: string, secret: string, nowMs: number): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1_000));
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}
