import type { Flag, FlagDraft, Targeting } from '../../../shared/flag.ts';

const off: Targeting = {
  enabled: false,
  rules: [],
  fallthrough: { kind: 'fixed', variant: 'on' },
  offVariant: 'off',
};

export function flagDraft(overrides: Partial<FlagDraft> = {}, production: Partial<Targeting> = {}): FlagDraft {
  return {
    key: 'new-checkout',
    name: 'New checkout',
    description: '',
    tags: [],
    variants: [
      { key: 'on', value: true },
      { key: 'off', value: false },
    ],
    targeting: { development: off, staging: off, production: { ...off, ...production } },
    ...overrides,
  };
}

export function storedFlag(production: Partial<Targeting>): Flag {
  return { ...flagDraft({}, production), revision: 1, updatedAt: '2026-01-01T00:00:00.000Z' };
}
