import { hanging } from './dockerfiles.ts';
import type { Pool } from './pool.ts';

/** Hosts whose slots are all taken. */
export interface Occupation {
  /** Lets this host's slots go; the others stay taken. */
  free(host: string): Promise<void>;
  /** Lets all go. */
  end(): Promise<void>;
}

interface Occupant {
  readonly id: string;
  readonly seconds: string;
}

/** Takes all slots of all hosts of a pool, so that a test decides where the next build can go. */
export async function occupy(pool: Pool): Promise<Occupation> {
  const { length: count } = await pool.client.hosts();
  const seconds = Array.from({ length: count }, () => pool.sleepSeconds());
  // Each weighs as much as a host has, so no host takes two.
  const occupants = new Map(
    await Promise.all(
      seconds.map(async (sleep): Promise<[string, Occupant]> => {
        const { id } = await pool.submit(hanging(sleep), { weight: pool.slots });
        await pool.sleeping(sleep, id);
        return [(await pool.client.get(id)).host ?? '', { id, seconds: sleep }];
      }),
    ),
  );
  const leave = async (host: string) => {
    const occupant = occupants.get(host);
    if (!occupant) throw new Error(`nothing occupies host ${host}`);
    occupants.delete(host);
    await pool.release(occupant.seconds);
    await pool.client.waitForEnd(occupant.id);
  };
  return {
    free: leave,
    async end() {
      await Promise.all([...occupants.keys()].map(leave));
    },
  };
}

/** Builds what `submit` submits on this host, and on no other; gives the build's id when it has succeeded. */
export async function buildOn(pool: Pool, host: string, submit: () => Promise<{ id: string }>): Promise<string> {
  const others = await occupy(pool);
  await others.free(host);
  const { id } = await submit();
  const build = await pool.client.waitForEnd(id);
  await others.end();
  if (build.state !== 'succeeded' || build.host !== host) {
    throw new Error(
      `build ${id} ${build.state} on ${build.host}, not succeeded on ${host}: ${JSON.stringify(build.failure)}`,
    );
  }
  return id;
}
