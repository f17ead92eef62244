import { KilnProblem } from '@kiln/client';
import type { CheckView } from '@kiln/contracts';
import { checkClock, checkExpiry } from '@kiln/domain';
import { connect } from '../../server/connect.ts';
import type { Server } from '../../server/find-server.ts';
import { misfitText } from '../../server/version-fit.ts';
import { type Probe, probe, reasonOf } from './probe.ts';

/** Half of the second by which the header Date is rounded. */
const DATE_MS = 500;
const OK = 200;

/** Checks the server from this machine, then the pool through it. */
export async function checkServer(server: Server): Promise<CheckView[]> {
  const client = connect(server);
  const ready = await probe(`${client.url}/readyz`).catch((error: unknown) => reasonOf(error));
  if (typeof ready === 'string') {
    return [
      {
        ...{ area: 'server', subject: client.url, status: 'problem', found: `can’t be reached: ${ready}` },
        advice: `check that Kiln runs there, and the address, which is from ${server.from}`,
      },
    ];
  }
  return [...checkAnswer(client.url, ready), ...(await checkInside(client))];
}

/** Checks what the answer to a readiness probe says of the server, its clock and its certificate. */
export function checkAnswer(
  url: string,
  { status, text, date, askedAt, roundTripMs, certificateEnds }: Probe,
): CheckView[] {
  const refuses = text.split('\n').find((line) => line.startsWith('not '));
  const isReady = status === OK && refuses === undefined;
  return [
    isReady
      ? { area: 'server', subject: url, status: 'ok', found: `ready, answers in ${Math.round(roundTripMs)} ms` }
      : {
          ...{ area: 'server', subject: url, status: 'problem' },
          found: status === OK ? (refuses ?? '') : `is not ready: ${status} ${text.slice(0, 200).trim()}`,
          advice: 'look at its log, and at Redis',
        },
    ...(date === undefined
      ? []
      : [checkClock('this machine', askedAt - (date + DATE_MS), DATE_MS + roundTripMs / 2, 'the server')]),
    ...(certificateEnds === undefined ? [] : [checkExpiry(url, certificateEnds, askedAt)]),
  ];
}

async function checkInside(client: ReturnType<typeof connect>): Promise<CheckView[]> {
  try {
    const checks = await client.checks();
    const misfit = client.serverVersion === undefined ? undefined : misfitText(client.serverVersion);
    return [...version(client.serverVersion, misfit), ...checks];
  } catch (error) {
    if (!(error instanceof KilnProblem)) throw error;
    const { code, detail, title } = error.problem;
    const advice =
      code === 'forbidden'
        ? 'use a token with the scope hosts:operate'
        : code === 'unauthorized'
          ? 'set KILN_TOKEN to a valid token of this Kiln'
          : code === 'not_found'
            ? 'update the server: it is too old to be checked'
            : 'look at the server’s log';
    return [
      {
        area: 'server',
        subject: 'pool',
        status: code === 'forbidden' ? 'unknown' : 'problem',
        found: detail || title,
        advice,
      },
    ];
  }
}

function version(server: string | undefined, misfit: string | undefined): CheckView[] {
  if (server === undefined) return [];
  return [
    misfit === undefined
      ? { area: 'server', subject: 'version', status: 'ok', found: server }
      : { area: 'server', subject: 'version', status: 'warning', found: server, advice: misfit },
  ];
}
