import type Docker from 'dockerode';
import { callEngine, EngineError, hasStatus } from './engine.ts';

/** @throws EngineError */
export async function hasImage(engine: Docker, image: string): Promise<boolean> {
  try {
    await callEngine(`inspect image ${image}`, () => engine.getImage(image).inspect());
    return true;
  } catch (error) {
    if (hasStatus(error, 404)) return false;
    throw error;
  }
}

/**
 * Pulls `image` unless the engine has it.
 * @throws EngineError if it isn't pulled within `timeoutMs`
 */
export async function ensureImage(engine: Docker, image: string, timeoutMs: number): Promise<void> {
  if (await hasImage(engine, image)) return;
  await callEngine(
    `pull ${image}`,
    async (abortSignal) => {
      const progress = await engine.pull(image, { abortSignal });
      abortSignal.addEventListener('abort', () => (progress as { destroy?: () => void }).destroy?.());
      await new Promise<void>((resolve, reject) => {
        engine.modem.followProgress(progress, (error: Error | null, output: { error?: string }[]) => {
          const failed = output?.find((line) => line.error);
          if (error) reject(error);
          else if (failed)
            reject(new EngineError(`docker engine: pull ${image}: ${failed.error}`, undefined, undefined));
          else resolve();
        });
      });
    },
    timeoutMs,
  );
}
