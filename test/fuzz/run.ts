import fc from 'fast-check';
import type { Known } from './api-under-test.ts';
import { HttpTarget, sendRaw } from './http-target.ts';
import { delivery, readConfig, readDelivery } from './parser-targets.ts';
import { request } from './requests.ts';
import { changedTar, readThrice } from './tars.ts';
import { kilnYaml, raw } from './texts.ts';

export interface KindReport {
  readonly kind: string;
  readonly inputs: number;
  readonly seconds: number;
  /** Outcomes, each with its count. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** The error and the smallest input that causes it, with its seed. */
  readonly failure?: string;
}

/** Shares of the inputs, percent. */
const SHARES = { http: 50, raw: 10, webhooks: 25, config: 13, tars: 2 } as const;
/** Maximum length of the description of a failure. */
const SHOWN_CHARS = 4_000;
/** Number of requests at a time. */
const LANES = 4;

/** Sends `inputs` inputs, drawn from `seed`, to the API and to the parsers of webhooks, configurations and tars. */
export async function fuzz(known: Known, inputs: number, seed: number): Promise<KindReport[]> {
  using target = new HttpTarget(known);
  const share = (percent: number) => Math.ceil((inputs * percent) / 100);
  const lane = (i: number) =>
    run('http', request(known), Math.ceil(share(SHARES.http) / LANES), seed + i, async (one) => [
      String(await target.send(one)),
    ]);
  const lanes = await Promise.all(Array.from({ length: LANES }, (_, i) => lane(i)));
  return [
    merged(lanes),
    await run('raw bytes', raw, share(SHARES.raw), seed, async (bytes) => (await sendRaw(known, bytes)).map(String)),
    await run('webhooks', delivery, share(SHARES.webhooks), seed, async (one) => [readDelivery(one)]),
    await run('.kiln.yaml', kilnYaml, share(SHARES.config), seed, async (text) => [readConfig(text)]),
    await run('tars', changedTar, share(SHARES.tars), seed, async (tar) => [await readThrice(tar)]),
  ];
}

async function run<T>(
  kind: string,
  arbitrary: fc.Arbitrary<T>,
  inputs: number,
  seed: number,
  tryOut: (input: T) => Promise<readonly string[]>,
): Promise<KindReport> {
  const outcomes = new Map<string, number>();
  const from = performance.now();
  const property = fc.asyncProperty(arbitrary, async (input) => {
    for (const outcome of await tryOut(input)) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  });
  const details = await fc.check(property, { numRuns: inputs, seed });
  const report = { kind, inputs: details.numRuns, seconds: (performance.now() - from) / 1_000, outcomes };
  if (!details.failed) return report;
  const error = details.errorInstance instanceof Error ? details.errorInstance.stack : String(details.errorInstance);
  return { ...report, failure: `${error}\n${fc.defaultReportMessage(details)?.slice(0, SHOWN_CHARS)}` };
}

function merged(reports: readonly KindReport[]): KindReport {
  const outcomes = new Map<string, number>();
  for (const report of reports) {
    for (const [outcome, count] of report.outcomes) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count);
  }
  const failure = reports.find((report) => report.failure !== undefined)?.failure;
  return {
    kind: reports[0]?.kind ?? '',
    inputs: reports.reduce((sum, { inputs }) => sum + inputs, 0),
    seconds: Math.max(...reports.map(({ seconds }) => seconds)),
    outcomes,
    ...(failure !== undefined && { failure }),
  };
}
