import { createHmac } from 'node:crypto';

/** Sends GitHub's ping to the connection `acme` of an API. */
export function ping(apiUrl: string, secret: string, id: string): Promise<Response> {
  const body = JSON.stringify({ zen: 'Keep it logically awesome.' });
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  return fetch(`${apiUrl}/v1/hooks/github/acme`, {
    method: 'POST',
    headers: {
      ...{ 'content-type': 'application/json', 'x-github-event': 'ping', 'x-github-delivery': id },
      'x-hub-signature-256': `sha256=${signature}`,
    },
    body,
  });
}
