import type { RouteAccess, Scope, TeamReach } from '@kiln/domain';
import type { z } from 'zod';
import type { ProblemCode } from '../http/problem.ts';

/** A body that JSON Schema can't describe: bytes or text. */
export interface RawBody {
  readonly raw: 'binary' | 'text';
  readonly description?: string;
}

/** A multipart body, part by part. */
export interface MultipartBody {
  readonly parts: Readonly<Record<string, z.ZodType | RawBody>>;
  readonly required: readonly string[];
}

export type BodyDoc = z.ZodType | RawBody | MultipartBody;

export interface HeaderDoc {
  readonly description: string;
  readonly required?: boolean;
}

export interface AnswerDoc {
  readonly description: string;
  readonly content?: Readonly<Record<string, BodyDoc>>;
  readonly headers?: Readonly<Record<string, HeaderDoc>>;
}

/** One route. Serving, documentation and tests are derived from this. */
export interface RouteDoc {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Path with `:name` for parameters. */
  readonly path: string;
  readonly tag:
    | 'Builds'
    | 'Logs'
    | 'Hosts'
    | 'Contexts and artifacts'
    | 'Access'
    | 'Limits'
    | 'Secrets'
    | 'Schedules'
    | 'Webhooks'
    | 'Login'
    | 'Service';
  readonly summary: string;
  readonly description?: string;
  /** Who may use the route, and what of each team they see. */
  readonly access: RouteAccess;
  /** Whether the route changes something; such requests get an entry in the audit log. Default: all methods but GET do. */
  readonly changes?: boolean;
  readonly params?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodObject;
  readonly headers?: Readonly<Record<string, HeaderDoc>>;
  readonly body?: Readonly<Record<string, BodyDoc>>;
  /** Default: true. */
  readonly bodyRequired?: boolean;
  readonly answers: Readonly<Record<number, AnswerDoc>>;
  /** Problems that this route can answer with, besides those of every route. */
  readonly problems: readonly ProblemCode[];
}

/** Returns whether requests of this route change something. All of these get an entry in the audit log, others only if they are refused. */
export function changesState({ method, changes }: Pick<RouteDoc, 'method' | 'changes'>): boolean {
  return changes ?? method !== 'get';
}

/** Grants access to users with a scope, who see what belongs to their own team. */
export const users = <S extends Scope, T extends TeamReach>(scope: S, teams: T) =>
  ({ who: 'users', scopes: [scope], teams }) as const;

/** Grants access to users with a scope, also untrusted ones, for routes whose handler restricts those to untrusted builds. */
export const anyTrust = <S extends Scope, T extends TeamReach>(scope: S, teams: T) =>
  ({ who: 'users', scopes: [scope], teams, untrusted: 'own' }) as const;
