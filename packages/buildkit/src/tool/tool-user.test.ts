import { expect, test } from 'vitest';
import { toolUser } from './tool-user.ts';

const ROOTS_SOCKET = { uid: 0, gid: 998 };

test('gives the tool container a non-root worker’s user and the socket’s group', () => {
  expect(toolUser({ uid: 10001, gid: 10001 }, ROOTS_SOCKET)).toEqual({ User: '10001:10001', GroupAdd: ['998'] });
});

test('sets no group if the engine’s socket is on another machine', () => {
  expect(toolUser({ uid: 10001, gid: 10001 }, undefined)).toEqual({ User: '10001:10001' });
});

test('keeps the image’s user for root and for the owner of a rootless engine', () => {
  expect(toolUser({ uid: 0, gid: 0 }, ROOTS_SOCKET)).toEqual({});
  expect(toolUser({ uid: 1000, gid: 1000 }, { uid: 1000, gid: 1000 })).toEqual({});
});
