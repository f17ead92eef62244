import { type BuildRequestInput, buildRequest } from '@kiln/contracts';
import type { BuildRecord } from '@kiln/domain';
import { describe, expect, test } from 'vitest';
import { CorruptState } from './errors.ts';
import { packBuild, unpackBuild, unpackRecord } from './packed-build.ts';

const COMMIT = 'fc57126a791500fd21d2bfb23a1686dcf8804609';
const PLACE = { blob: 'history/1795782793987-0c5b.ndjson.gz', start: 120_000, bytes: 900 };
const RECORD: BuildRecord = {
  id: '01m8efxpr2gkggad6vqhg4z99c',
  revision: 5,
  state: 'succeeded',
  repo: 'github.com/team/app49',
  team: 'team7',
  trust: 'trusted',
  submitter: 'ci',
  maxLogBytes: 268_435_456,
  createdAt: 1_795_782_793_986,
  queuedAt: 1_795_782_793_986,
  attempts: [
    {
      number: 1,
      host: 'builder-3.example.org',
      incarnation: 'd7b1d1f0-36f4-4b43-9b3f-0f5a6a2b7c11',
      assignedAt: 1_795_782_794_986,
      startedAt: 1_795_782_795_186,
      endedAt: 1_795_782_893_987,
      end: 'succeeded',
    },
  ],
  commit: COMMIT,
  finishedAt: 1_795_782_893_987,
  steps: { total: 12, cached: 9 },
  result: {
    digest: 'sha256:bd0b4a53440a3d5ab36b7e8b0f136c410adcd20d0f56e353d1e49b1344148570',
    configDigest: 'sha256:555bc2474710a9fdad4232b31c0df7910781f495bcaac10dfff435d7c8c61f8b',
    pushed: ['registry.example.org/team/app49:fc57126a7915'],
  },
};

function specOf(more: Partial<BuildRequestInput> = {}, secrets: string[] = []) {
  const { secrets: _, ...request } = buildRequest.parse({
    source: { type: 'git', url: 'https://github.com/team/app49.git', ref: 'refs/heads/main' },
    team: 'team7',
    tags: ['registry.example.org/team/app49:fc57126a7915'],
    output: { type: 'push' },
    buildArgs: { GIT_COMMIT: COMMIT },
    labels: { 'org.opencontainers.image.revision': COMMIT },
    ...more,
  });
  return { ...request, secrets };
}

const pack = (record: BuildRecord, spec: object) => packBuild(JSON.stringify(record), JSON.stringify(spec), PLACE);

describe('a packed build', () => {
  test('is whole if it is small, in well under half a kilobyte', () => {
    const packed = pack(RECORD, specOf());
    expect(packed.length).toBeLessThan(480);
    expect(unpackBuild(RECORD.id, packed)).toEqual({
      record: RECORD,
      spec: specOf(),
      archived: { ...PLACE, isCut: false },
    });
  });

  test('loses only long parts if it is large, but keeps what lists filter by and how it ended', () => {
    const excerpt = Array.from({ length: 100 }, (_, i) => `${i * 7919} RUN make ${i}`).join('\n');
    const failure = { code: 'step_failed', message: excerpt, step: '[2/3] RUN make', exitCode: 2, excerpt } as const;
    const [attempt] = RECORD.attempts;
    const { result: _, ...rest } = RECORD;
    const attempts = Array.from({ length: 9 }, (_, i) => ({ ...attempt, number: i + 1, failure }));
    const record = { ...rest, state: 'failed', failure, attempts } as BuildRecord;
    const buildArgs = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`ARG_${i}`, `${i * 104_729}`]));
    const packed = pack(record, specOf({ buildArgs }, ['a', 'b']));
    expect(packed.length).toBeLessThan(900);
    const { record: cut, spec, archived } = unpackBuild(RECORD.id, packed);
    expect(archived).toEqual({ ...PLACE, isCut: true });
    expect(cut).toMatchObject({ id: RECORD.id, state: 'failed', repo: RECORD.repo, team: RECORD.team, commit: COMMIT });
    expect(cut.failure).toEqual({ code: 'step_failed', message: excerpt.slice(0, 160) });
    expect(cut.attempts.map(({ number }) => number)).toEqual([7, 8, 9]);
    expect([spec.buildArgs, spec.secrets]).toEqual([{}, ['a']]);
  });

  test('loses the further targets of a build that has several', () => {
    const source = { type: 'git', url: 'https://git.example.org/app.git' } as const;
    const names = Array.from({ length: 40 }, (_, i) => `t${i * 104_729}`);
    const bake = { name: 'app', targets: Object.fromEntries(names.map((name) => [name, { source }])) };
    const targets = Object.fromEntries(names.map((name) => [name, { digest: `sha256:${name}` }]));
    const record = { ...RECORD, result: { ...RECORD.result, targets } };
    const packed = pack(record, specOf({ bake }));
    expect(packed.length).toBeLessThan(480);
    const { record: cut, spec, archived } = unpackBuild(RECORD.id, packed);
    expect([cut.result?.targets, spec.bake, archived?.isCut]).toEqual([undefined, undefined, true]);
  });

  test('is refused if its dictionary is unknown or its data are damaged', () => {
    const packed = pack(RECORD, specOf());
    expect(() => unpackRecord(RECORD.id, Buffer.concat([Buffer.of(9), packed.subarray(1)]))).toThrow(CorruptState);
    expect(() => unpackRecord(RECORD.id, packed.subarray(0, 40))).toThrow(CorruptState);
  });
});
