import type Docker from 'dockerode';
import { callEngine, hasStatus } from '../engine/engine.ts';

/**
 * Where BuildKit's images have emulators of their own, and the platforms of each. BuildKit uses them for programs that the kernel can't start, but doesn't list
 * their platforms (util/archutil and executor/oci of BuildKit).
 */
const EMULATORS: Readonly<Record<string, readonly string[]>> = {
  aarch64: ['linux/arm64'],
  arm: ['linux/arm/v7', 'linux/arm/v6'],
  i386: ['linux/386'],
  ppc64le: ['linux/ppc64le'],
  riscv64: ['linux/riscv64'],
  s390x: ['linux/s390x'],
  x86_64: ['linux/amd64'],
};
const PREFIX = '/usr/bin/buildkit-qemu-';

/** Returns the platforms for which a builder's container has an emulator. @throws EngineError */
export async function embeddedPlatforms(engine: Docker, container: string): Promise<string[]> {
  const found = await Promise.all(
    Object.entries(EMULATORS).map(async ([emulator, platforms]) =>
      (await hasFile(engine, container, `${PREFIX}${emulator}`)) ? platforms : [],
    ),
  );
  return found.flat();
}

async function hasFile(engine: Docker, container: string, path: string): Promise<boolean> {
  try {
    await callEngine('stat', () => engine.getContainer(container).infoArchive({ path }));
    return true;
  } catch (error) {
    if (hasStatus(error, 404)) return false;
    throw error;
  }
}
