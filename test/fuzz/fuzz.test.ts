import { expect, test } from 'vitest';
import { startApiUnderTest } from './api-under-test.ts';
import { fuzz } from './run.ts';

test('some thousand inputs of a fixed seed: no 5xx, no crash, every refusal a problem document', async () => {
  await using api = await startApiUnderTest();
  const reports = await fuzz(api, 3_000, 20_260_101);
  expect(reports.flatMap(({ failure }) => failure ?? [])).toEqual([]);
  expect(api.faults).toEqual([]);
  // Inputs that are all refused at the door would show nothing.
  const [http, raw, webhooks, config, tars] = reports.map(({ outcomes }) => [...outcomes.keys()]);
  expect(http).toEqual(expect.arrayContaining(['200', '202', '400', '401', '403', '404', '415']));
  expect(raw).toEqual(expect.arrayContaining(['400', '401', '404']));
  expect(webhooks).toEqual(expect.arrayContaining(['push', 'pull_request', 'invalid_request']));
  expect(config).toEqual(expect.arrayContaining(['good', 'invalid_config']));
  expect(tars).toEqual(expect.arrayContaining(['the same', 'refused']));
});
