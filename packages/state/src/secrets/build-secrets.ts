import { chooseSecrets, type Failure, type SecretKind, type WantedSecrets } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { readTogether } from '../redis/read-together.ts';
import { runScript } from '../redis/scripts.ts';
import { SecretsUnavailable } from './errors.ts';
import { SealBroken, type Sealer } from './sealer.ts';
import { bringsGitAuth, gitAuthSecret, type RegistryLogin, type SecretContent } from './secret-content.ts';
import { fieldOf, inOrder, openSecret, parseSecret, type StoredSecret } from './secret-store.ts';

export interface TeamWantedSecrets extends WantedSecrets {
  readonly team: string;
}

/** The stored secrets that a build gets. */
export interface BuildSecrets {
  /** BuildKit secrets by id: those that the build names, and git credentials. */
  readonly values: ReadonlyMap<string, string>;
  readonly logins: readonly RegistryLogin[];
  /** Further texts that logs must not show: the values contain them in another form. */
  readonly hidden: readonly string[];
  /** Stored secrets that the build does without, each as a sentence. */
  readonly warnings: readonly string[];
}

type Chosen = ReturnType<typeof chooseSecrets<StoredSecret>>;
/** Contents by field, or why one can't be opened. */
type Opening = Map<string, SecretContent | SealBroken>;
interface Opened {
  readonly secret: StoredSecret;
  readonly content: SecretContent;
}

/** Uses are recorded at most this often, ms. */
const USE_RECORD_MS = 60_000;
/** How often reading starts over because a secret was removed meanwhile. */
const MAX_READS = 20;

const KIND_NAMES: Readonly<Record<SecretKind, string>> = {
  build: 'the secret',
  registry: 'the registry login',
  git: 'the git token',
};

/** Opens the team secrets that a build gets. */
export class BuildSecretReader {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #sealer: Sealer;
  readonly #now: () => number;

  constructor(redis: Redis, keys: Keys, sealer: Sealer, now: () => number) {
    this.#redis = redis;
    this.#keys = keys;
    this.#sealer = sealer;
    this.#now = now;
  }

  /** Returns the named secrets that the build wouldn't get now, without opening any. */
  async refusals(wanted: TeamWantedSecrets): Promise<Chosen['refused']> {
    return wanted.named.length === 0 ? [] : chooseSecrets(await this.#all(wanted.team), wanted).refused;
  }

  /**
   * Opens the secrets of a build.
   * @param ownIds ids of the secrets that came with the build's request
   * @throws SecretsUnavailable if it names a secret that is missing, withheld or can't be opened
   */
  async read(wanted: TeamWantedSecrets, ownIds: readonly string[] = []): Promise<BuildSecrets> {
    for (let reads = 0; reads < MAX_READS; reads++) {
      const chosen = chooseSecrets(await this.#all(wanted.team), wanted);
      const [refused] = chosen.refused;
      if (refused) throw new SecretsUnavailable(refusal(refused.ref.name, refused.why, wanted));
      const ids = new Set([...ownIds, ...chosen.named.map(({ ref }) => ref.id)]);
      const gitTokens = chosen.gitTokens.filter(({ name }) => !bringsGitAuth(ids, name));
      const opened = await this.#open(wanted, [
        ...chosen.named.map(({ secret }) => secret),
        ...chosen.logins,
        ...gitTokens,
      ]);
      if (opened) return await this.#gather(wanted, { ...chosen, gitTokens }, opened);
    }
    throw new Error(`secrets of team ${wanted.team} changed ${MAX_READS} times while they were read`);
  }

  async #all(team: string): Promise<StoredSecret[]> {
    const all = (await this.#redis.hvals(this.#keys.teamSecrets(team))).map((doc) => parseSecret(doc));
    return all.sort(inOrder);
  }

  /** Opens secrets, by field. Returns undefined if one was removed meanwhile, so that the choice must be made again. */
  async #open({ team, trust }: TeamWantedSecrets, secrets: readonly StoredSecret[]): Promise<Opening | undefined> {
    if (secrets.length === 0) return new Map();
    const fields = secrets.map(fieldOf);
    const [docs, values] = await readTogether<[(string | null)[], (string | null)[]]>(
      this.#redis,
      ['HMGET', this.#keys.teamSecrets(team), ...fields],
      ['HMGET', this.#keys.teamSecretValues(team), ...fields],
    );
    const opening: Opening = new Map();
    for (const [i, field] of fields.entries()) {
      const doc = docs[i];
      const secret = doc ? parseSecret(doc) : undefined;
      if (!secret) return undefined;
      // It may have been replaced since it was chosen.
      if (trust === 'trusted' || secret.untrustedOk) opening.set(field, this.#tryOpen(secret, values[i] ?? ''));
    }
    return opening;
  }

  async #gather(wanted: TeamWantedSecrets, chosen: Chosen, opening: Opening): Promise<BuildSecrets> {
    const values = new Map<string, string>();
    for (const { ref, secret } of chosen.named) {
      const content = opening.get(fieldOf(secret));
      if (!content) throw new SecretsUnavailable(refusal(ref.name, 'withheld', wanted));
      if (content instanceof SealBroken) throw new SecretsUnavailable(unreadable(secret, content));
      if (content.kind === 'build') values.set(ref.id, content.value);
    }
    const implied = [...chosen.logins, ...chosen.gitTokens].flatMap((secret) => {
      const content = opening.get(fieldOf(secret));
      return content ? [{ secret, content }] : [];
    });
    const usable = implied.filter((one): one is Opened => !(one.content instanceof SealBroken));
    const logins: RegistryLogin[] = [];
    const hidden: string[] = [];
    for (const { secret, content } of usable) {
      if (content.kind === 'registry') logins.push({ host: secret.name, ...loginOf(content) });
      if (content.kind !== 'git') continue;
      values.set(...gitAuthSecret(secret.name, content));
      hidden.push(content.token);
    }
    const warnings = implied.flatMap(({ secret, content }) =>
      content instanceof SealBroken ? [`${unreadable(secret, content).message}; the build goes without`] : [],
    );
    await this.#recordUse(wanted.team, [...chosen.named, ...usable]);
    return { values, logins, hidden, warnings };
  }

  #tryOpen(secret: StoredSecret, sealed: string): SecretContent | SealBroken {
    try {
      return openSecret(this.#sealer, secret, sealed);
    } catch (error) {
      if (error instanceof SealBroken) return error;
      throw error;
    }
  }

  async #recordUse(team: string, used: readonly { readonly secret: StoredSecret }[]): Promise<void> {
    if (used.length === 0) return;
    await runScript(
      this.#redis,
      'use-secrets',
      [this.#keys.teamSecrets(team), this.#keys.teamSecretUses(team)],
      [this.#now(), USE_RECORD_MS, ...used.map(({ secret }) => fieldOf(secret))],
    );
  }
}

function loginOf({ username, password }: Extract<SecretContent, { kind: 'registry' }>) {
  return { username, password };
}

function refusal(name: string, why: 'missing' | 'withheld', { team, repo }: TeamWantedSecrets): Failure {
  return why === 'missing'
    ? { code: 'secret_missing', message: `neither repo ${repo} nor team ${team} has a secret ${name}` }
    : {
        code: 'secret_withheld',
        message: `the build is untrusted, and the secret ${name} is not for untrusted builds`,
      };
}

function unreadable({ kind, name, team, repo }: StoredSecret, broken: SealBroken): Failure {
  const whose = repo === undefined ? `team ${team}` : `repo ${repo} of team ${team}`;
  return {
    code: 'secret_unreadable',
    message: `${KIND_NAMES[kind]} ${name} of ${whose} can’t be opened on this host: ${broken.message}`,
  };
}
