import { type BakeInput, bakeInput } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { engine, IMAGES } from '../testing/lab.ts';
import { BakeInvalid, evaluateBake } from './evaluate-bake.ts';

const LABELS = { 'kiln.test': `bake-${process.pid}` };
const evaluate = async (input: Partial<BakeInput>) => {
  const host = { engine, image: IMAGES.tool, labels: LABELS };
  const bake = bakeInput.parse({ files: {}, ...input });
  return JSON.parse(await evaluateBake(host, bake, AbortSignal.timeout(60_000))) as { target: Record<string, object> };
};
const left = () => engine.listContainers({ all: true, filters: { label: [`kiln.test=${LABELS['kiln.test']}`] } });

const HCL = `
variable "TAG" { default = "none" }
target "web" {
  tags = ["acme/web:\${TAG}"]
  dockerfile-inline = "FROM scratch"
}
target "api" { inherits = ["web"] }
`;

test('evaluates bake and Compose files with variables, overrides and targets, and leaves nothing behind', async () => {
  const hcl = await evaluate({
    files: { 'ci/docker-bake.hcl': HCL },
    names: ['ci/docker-bake.hcl'],
    ...{
      targets: ['api'],
      set: ['api.args.A=1'],
      flags: ['push', 'no-cache'],
      variables: { TAG: 'é1', PATH: '/none' },
    },
  });
  expect(Object.keys(hcl.target)).toEqual(['api']);
  expect(hcl.target.api).toMatchObject({ tags: ['acme/web:é1'], args: { A: '1' }, 'no-cache': true });
  const compose = await evaluate({
    files: {
      'compose.yaml': `services:\n  web:\n    image: web:${'$'}{TAG}\n    env_file: own.env\n    build: { context: ., args: [A] }\n`,
      'own.env': 'X=1\n',
    },
    variables: { TAG: '2', A: 'of-a' },
  });
  expect(compose.target.web).toMatchObject({ tags: ['web:2'], args: { A: 'of-a' } });
  expect(await left()).toEqual([]);
}, 120_000);

test('says what buildx finds wrong, also in a target that looks like a flag and a file that isn’t there', async () => {
  const files = { 'docker-bake.hcl': HCL };
  await expect(evaluate({ files, targets: ['nope'] })).rejects.toThrow(new BakeInvalid('failed to find target nope'));
  await expect(evaluate({ files, targets: ['--metadata-file=/tmp/x'] })).rejects.toThrow(
    /failed to find target --metadata/,
  );
  const outside = { 'compose.yaml': 'services:\n  a:\n    env_file: /proc/1/environ-of-host\n    build: .\n' };
  await expect(evaluate({ files: outside })).rejects.toThrow(/environ-of-host/);
  expect(await left()).toEqual([]);
}, 120_000);
