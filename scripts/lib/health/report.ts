/** All rules of `why`, in the order in which their findings are read: from the ground up. */
import type { Rule } from './facts.ts';
import * as pod from './pod-rules.ts';
import * as work from './work-rules.ts';

/** What `status` says too; of tmux, and of a Docker that is down, rules of their own say more. */
const known: Rule = ({ problems, inside }) =>
  problems
    .filter(
      ({ id }) => id !== 'probe-sessions' && !(id === 'phase-docker' && inside?.docker?.driver === null),
    )
    .map((problem) => ({ ...problem, evidence: [] }));

export const RULES: readonly Rule[] = [
  pod.execForbidden,
  pod.node,
  pod.volumePending,
  pod.imagePull,
  pod.unscheduled,
  pod.evicted,
  pod.killed,
  // Before the same without evidence.
  work.blocked,
  work.accountHeld,
  known,
  pod.docker,
  pod.mtu,
  pod.disks,
  work.tmuxGone,
  work.interrupted,
  work.sessionGone,
  work.paneWaits,
  work.humanDriven,
  work.agentEnded,
  work.silent,
  work.rateLimited,
  work.rowBehind,
  work.numberUsedTwice,
  work.dependencyFailed,
  work.rowSkipped,
  work.rowFailed,
  work.loopWaits,
  // What has passed, and may have caused the rest.
  pod.killedInside,
  pod.killedBefore,
  pod.evictedBefore,
  pod.warned,
  pod.unreadable,
];
