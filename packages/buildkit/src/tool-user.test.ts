import { expect, test } from 'vitest';
import { toolUser } from './tool-user.ts';

const ROOTS_SOCKET = { uid: 0, gid: 998 };

test('a worker that isn’t root shares its user, and the socket’s group, with the tool container', () => {
  expect(toolUser({ uid: 10001, gid: 10001 }, ROOTS_SOCKET)).toEqual({ User: '10001:10001', GroupAdd: ['998'] });
});

test('with an engine elsewhere there is no group to share', () => {
  expect(toolUser({ uid: 10001, gid: 10001 }, undefined)).toEqual({ User: '10001:10001' });
});

test('root, and the owner of a rootless engine, leave the image’s user', () => {
  expect(toolUser({ uid: 0, gid: 0 }, ROOTS_SOCKET)).toEqual({});
  expect(toolUser({ uid: 1000, gid: 1000 }, { uid: 1000, gid: 1000 })).toEqual({});
});
