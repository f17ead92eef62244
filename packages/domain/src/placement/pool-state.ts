import type { DemandClock } from './demand.ts';
import type { PoolEstimate } from './estimates.ts';
import type { HostTable } from './host-table.ts';
import type { PlacementSettings } from './settings.ts';
import type { TeamShares } from './team-shares.ts';
import type { WaitingList } from './waiting-list.ts';

/** What a pass reads of the pool. It changes nothing of it. */
export interface PoolState {
  readonly settings: PlacementSettings;
  readonly hosts: HostTable;
  readonly waiting: WaitingList;
  readonly teams: TeamShares;
  readonly estimate: PoolEstimate;
  /** Share of the time that the pool was full, lately. */
  readonly saturation: number;
  demandClock(now: number): DemandClock;
}
