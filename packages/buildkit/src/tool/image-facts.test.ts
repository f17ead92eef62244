import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { imageFact } from './image-facts.ts';

/** A tool container of an image whose programs print how often they have run. */
function toolOf(imageId: string, exitCode = 0) {
  const ran: string[] = [];
  return {
    imageId,
    ran,
    async capture(argv: readonly string[]) {
      ran.push(argv.join(' '));
      return { exitCode, stdout: `${ran.length}`, stderr: 'no such program' };
    },
  };
}

test('runs a command once for all containers of an image, and again for another image and another command', async () => {
  const image = randomUUID();
  const [first, second, other] = [toolOf(image), toolOf(image), toolOf(randomUUID())];
  expect(await imageFact(first, ['buildx', 'version'])).toBe('1');
  expect(await imageFact(second, ['buildx', 'version'])).toBe('1');
  expect(await imageFact(second, ['buildx', 'help'])).toBe('1');
  expect(await imageFact(other, ['buildx', 'version'])).toBe('1');
  expect([first.ran, second.ran, other.ran]).toEqual([['buildx version'], ['buildx help'], ['buildx version']]);
});

test('runs a command again that has failed', async () => {
  const image = randomUUID();
  await expect(imageFact(toolOf(image, 127), ['buildx'])).rejects.toThrow('buildx: exit code 127: no such program');
  expect(await imageFact(toolOf(image), ['buildx'])).toBe('1');
});
