import { expect, test } from 'vitest';
import { startApiUnderTest } from './api-under-test.ts';
import { fuzz } from './run.ts';

test('answers 3,000 inputs of a fixed seed without a 5xx or a crash, and refuses by problem documents only', async () => {
  await using api = await startApiUnderTest();
  const reports = await fuzz(api, 3_000, 20_260_101);
  expect(reports.flatMap(({ failure }) => failure ?? [])).toEqual([]);
  expect(api.faults).toEqual([]);
  // The inputs must also get past the first checks, or the run would prove nothing.
  const [http, raw, webhooks, config, tars] = reports.map(({ outcomes }) => [...outcomes.keys()]);
  expect(http).toEqual(expect.arrayContaining(['200', '202', '400', '401', '403', '404', '415']));
  expect(raw).toEqual(expect.arrayContaining(['400', '401', '404']));
  expect(webhooks).toEqual(expect.arrayContaining(['push', 'pull_request', 'invalid_request']));
  expect(config).toEqual(expect.arrayContaining(['good', 'invalid_config']));
  expect(tars).toEqual(expect.arrayContaining(['the same', 'refused']));
});
