export { type Made, type ReleaseParts, ReleaseRefused, release } from './release.ts';
