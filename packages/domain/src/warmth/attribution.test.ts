import { expect, test } from 'vitest';
import { layersUsed, mountsUsed } from './attribution.ts';
import { heldLayers, type LayerTrace, learnLayers } from './layer-trace.ts';

const WINDOW = { namespace: 'aa', startedAt: 1_000, endedAt: 2_000 };
const layer = (id: string, lastUsedAt: number, parents: string[] = [], bytes = 1) => ({
  id,
  bytes,
  lastUsedAt,
  parents,
});
const byId = (...layers: ReturnType<typeof layer>[]) => new Map(layers.map((each) => [each.id, each]));

test('mountsUsed returns the mounts of the namespace that were used since the start, or are in use', () => {
  const mount = (id: string, lastUsedAt: number, inUse = false) => ({ id, bytes: 1, lastUsedAt, inUse });
  const used = mountsUsed(
    [
      mount('aa//npm', 1_000),
      mount('aa/late', 2_100),
      mount('aa/old', 999),
      mount('aa/busy', 3, true),
      mount('aaa/x', 1_500),
      mount('bb/x', 1_500),
    ],
    WINDOW,
  );
  expect(used.map(({ id }) => id)).toEqual(['aa//npm', 'aa/late', 'aa/busy']);
});

test('layersUsed returns the layers touched meanwhile and those they are based on, once each', () => {
  const layers = [
    layer('base', 5),
    layer('deps', 6, ['base']),
    layer('app', 1_500, ['deps']),
    layer('merged', 2_900, ['deps', 'app', 'gone']),
    layer('later', 3_001, ['base']),
    layer('old', 999, ['base']),
  ];
  expect(new Set(layersUsed(layers, WINDOW).map(({ id }) => id))).toEqual(new Set(['base', 'deps', 'app', 'merged']));
});

test('layersUsed returns only the largest of very many layers', () => {
  const used = layersUsed(
    Array.from({ length: 300 }, (_, i) => layer(`l${i}`, 1_500, [], i)),
    WINDOW,
  );
  expect(used.map(({ bytes }) => bytes)).toEqual(Array.from({ length: 100 }, (_, i) => 299 - i));
});

test('heldLayers returns the layers that haven’t been evicted', () => {
  const trace = learnLayers(undefined, [layer('base', 0, [], 100), layer('app', 0, [], 10)], 7) as LayerTrace;
  expect(heldLayers(trace, byId(layer('base', 900, [], 100), layer('app', 0, [], 10)))).toEqual({
    bytes: 110,
    lastUsedAt: 7,
  });
  expect(heldLayers(trace, byId(layer('base', 900, [], 100)))).toEqual({ bytes: 100, lastUsedAt: 7 });
  expect(heldLayers(trace, byId(layer('other', 900)))).toBeUndefined();
});

test('learnLayers keeps the layers of recent builds, because a cached build touches only its last layer', () => {
  const build = (id: string, bytes = 1) => [layer(id, 0, [], bytes)];
  const ids = (trace: LayerTrace | undefined) => Object.keys(trace?.missed ?? {}).sort();
  let trace = learnLayers(undefined, [...build('x'), ...build('y')], 1);
  expect(learnLayers(trace, [], 9)).toBe(trace);
  for (const at of [2, 3, 4]) trace = learnLayers(trace, build('y'), at);
  expect(ids(trace)).toEqual(['x', 'y']);
  trace = learnLayers(trace, build('y'), 5);
  expect(ids(trace)).toEqual(['y']);
  const some = (name: string) => Array.from({ length: 150 }, (_, i) => layer(`${name}${i}`, 0));
  const many = learnLayers(learnLayers(trace, some('old'), 6), some('new'), 7);
  expect(ids(many)).toHaveLength(200);
  expect(ids(many).filter((id) => id.startsWith('new'))).toHaveLength(150);
});
