/** All rules, in the order in which to read their findings: from the infrastructure up. */
import * as pod from './pod-rules.ts';
import { type Entry, entries, PROBE_BOOK } from './report.ts';
import * as work from './work-rules.ts';

export const BOOK: readonly Entry[] = [
  ...entries('error', pod.execForbidden, pod.node, pod.volumePending, pod.imagePull, pod.unscheduled),
  ...entries('error', pod.evicted, pod.killed, pod.otherContainers),
  ...PROBE_BOOK,
  ...entries('error', pod.docker, pod.mtu),
  { severity: 'warning', rule: pod.disks, first: true },
  ...entries('warning', pod.nodeLeaves, pod.resizePending),
  ...entries('error', work.tmuxGone),
  ...entries('error', work.interrupted, work.sessionGone),
  ...entries('warning', work.paneWaits, work.humanDriven),
  ...entries('error', work.agentEnded),
  ...entries('warning', work.rateLimited, work.rowBehind, work.numberUsedTwice),
  ...entries('info', work.rowFailed),
  ...entries('warning', work.rowNotBegun),
  ...entries('warning', work.loopWaits),
  // What is over, and may have caused the rest.
  ...entries('warning', pod.killedInside),
  ...entries('info', pod.killedBefore, pod.evictedBefore),
  { severity: 'info', rule: pod.warned, besides: true },
  ...entries('info', pod.unreadable),
];
