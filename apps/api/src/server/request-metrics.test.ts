import { openMetrics } from '@kiln/metrics';
import { expect, test } from 'vitest';
import { TestApi, TOKEN } from '../testing/test-api.ts';

test('requests are counted by the path of their route, never by what a caller puts into the URL, and operators read them at /metrics', async () => {
  const metrics = await openMetrics(['api']);
  await using api = await TestApi.start({}, { metrics });
  const get = async (path: string, headers: Record<string, string> = { Authorization: `Bearer ${TOKEN}` }) => {
    const response = await fetch(`${api.api.url}${path}`, { headers });
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
  };
  expect((await get('/v1/builds/00000000000000000000000000')).status).toBe(404);
  expect((await get('/made-up/by-a-caller')).status).toBe(404);
  expect((await get('/metrics', {})).status).toBe(401);
  // A request is counted when its connection is done with it, which may be after its client has the answer.
  const scrape = async () => await get('/metrics');
  await expect.poll(scrape).toMatchObject({
    status: 200,
    type: expect.stringMatching(/^text\/plain; version=0\.0\.4/),
    text: expect.stringContaining('\nkiln_http_requests_in_progress 1\n'),
  });
  const { text } = await scrape();
  const counts = text.split('\n').filter((line) => line.startsWith('kiln_http_request_duration_seconds_count'));
  expect(counts).toEqual(
    expect.arrayContaining([
      'kiln_http_request_duration_seconds_count{method="GET",route="/v1/builds/:id",status="4xx"} 1',
      'kiln_http_request_duration_seconds_count{method="GET",route="other",status="4xx"} 1',
      'kiln_http_request_duration_seconds_count{method="GET",route="/metrics",status="4xx"} 1',
    ]),
  );
  expect(text).not.toContain('made-up');
  metrics.close();
});
