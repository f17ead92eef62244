import type { DemandClock } from '../estimates/demand.ts';
import type { PoolEstimate } from '../estimates/estimates.ts';
import type { TeamShares } from '../estimates/team-shares.ts';
import type { PlacementSettings } from '../model/settings.ts';
import type { HostTable } from './host-table.ts';
import type { WaitingList } from './waiting-list.ts';

/** The part of the pool that a pass reads. A pass never changes it. */
export interface PoolState {
  readonly settings: PlacementSettings;
  readonly hosts: HostTable;
  readonly waiting: WaitingList;
  readonly teams: TeamShares;
  readonly estimate: PoolEstimate;
  demandClock(now: number): DemandClock;
}
