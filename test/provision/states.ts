/** Workers as a look at the cluster finds them. */
import type { Inside, ReleaseState, WorkerState } from '../../scripts/lib/lifecycle/look.ts';
import type { Workload } from '../../scripts/lib/worker/workload.ts';
import { WORKER } from '../support/samples.ts';
import { LONG_AGO } from './lines.ts';

/** A worker that could be entered. */
type Entered = Extract<Inside, { entered: true }>;

export const IDLE: Entered = { entered: true, runs: null, drain: null, open: [] };
export const BUSY: Entered = {
  entered: true,
  runs: 'demo#23 at stage qa',
  drain: null,
  open: ['demo#23', 'demo#24'],
};
export const SHUT: Inside = { entered: false, why: 'worker-1 is crash-looping: Error' };

export const WORKLOAD: Workload = {
  kind: 'Deployment',
  name: 'factory-worker-1',
  release: 'worker-1',
  container: 'worker',
  image: 'registry.example.com/factory-worker:1',
  replicas: 1,
  privileged: false,
  secret: 'factory-worker-1-secrets',
  claim: 'factory-worker-1-data',
  pod: { imagePullSecrets: [], tolerations: [], nodeSelector: {} },
  taken: [],
  failure: null,
};

/** @param status Helm's word */
export function release(status = 'deployed', updated = LONG_AGO): ReleaseState {
  return {
    name: 'worker-1',
    revision: { revision: 3, status, updated, chart: 'factory-worker-0.1.0', description: '' },
    pending: status.startsWith('pending-'),
    lastDeployed: status === 'pending-install' || status === 'failed' || status === 'uninstalling' ? null : 2,
    ours: true,
  };
}

/** A worker that runs and has nothing to do, with changes. */
export function state(changes: Partial<WorkerState> = {}): WorkerState {
  return {
    worker: WORKER,
    workload: WORKLOAD,
    release: release(),
    pods: ['factory-worker-1-5d9-x'],
    inside: IDLE,
    ...changes,
  };
}

export const STOPPED: Partial<WorkerState> = {
  workload: { ...WORKLOAD, replicas: 0 },
  pods: [],
  inside: { entered: false, why: 'worker-1 is stopped: Deployment factory-worker-1 is scaled to 0' },
};
