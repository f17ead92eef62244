import type { AllowedFrontends, Failure, Trust } from '@kiln/domain';
import type { ConnectBuildkit } from '../control/buildkit-connection.ts';
import type { SourcePolicy } from '../egress/source-policy.ts';
import type { Logger } from '../engine/logger.ts';
import type { ProxySettings } from '../settings/builder-settings.ts';
import type { ToolContainer } from '../tool/tool-container.ts';
import type { ToolPaths } from '../tool/tool-scripts.ts';
import type { WorkingTrees } from '../trees/working-trees.ts';
import type { BuildxFeatures } from './buildx-arguments.ts';
import type { EngineArchives } from './engine-archives.ts';
import type { PushRetries } from './push-retries.ts';
import type { RunOwner } from './run-owner.ts';
import type { ContextSource, RunRequest } from './run-request.ts';
import type { StallWatchDeps } from './stall-watch.ts';

/** What all runs of one builder share. */
export interface RunHost {
  readonly trust: Trust;
  readonly tool: ToolContainer;
  readonly owner: RunOwner;
  readonly paths: ToolPaths;
  /** Undefined if the tool image lacks the programs for them: then every run unpacks its own context. */
  readonly trees: WorkingTrees | undefined;
  readonly builder: string;
  readonly features: BuildxFeatures;
  /** Platforms whose programs it runs, natively or by emulation. */
  readonly platforms: readonly string[];
  /** Whether images get attestations of where they come from, by default. */
  readonly attests: boolean;
  /** Makes the archives of images where BuildKit exports none. */
  readonly archives?: EngineArchives | undefined;
  readonly connectBuildkit: ConnectBuildkit;
  /** Frontends that builds may name, and whether BuildKit itself enforces them. */
  readonly frontends: { readonly allowed: AllowedFrontends; readonly isEnforced: boolean };
  /** Privileges that builds may ask for. */
  readonly entitlements: readonly string[];
  /** Directory of the host's own registry logins. */
  readonly dockerConfigDir?: string | undefined;
  /** Proxy of the builds' steps. */
  readonly proxy?: ProxySettings | undefined;
  /** What BuildKit may fetch for a build; undefined for no restriction. */
  sourcePolicy(sources: readonly ContextSource[]): SourcePolicy | undefined;
  /** Returns why BuildKit may not use the servers of a build's caches; undefined if it may. */
  refusedCaches(request: RunRequest): Failure | undefined;
  /** Recognizes builds that never end, if what the builder is doing can be read. */
  readonly stall?: Pick<StallWatchDeps, 'afterMs' | 'activity'> | undefined;
  readonly pushRetries: PushRetries;
  readonly log: Logger;
  /** Ms since the epoch. */
  now(): number;
}
