/** The request of a dispatch. Pure. */
import { count } from '../cli/text.ts';

/** One dispatch: issues of one project, as scripts/remote/dispatch.sh reads it. */
export interface DispatchRequest {
  /** Unique for each dispatch, so that it can be withdrawn after a lost connection. */
  readonly id: string;
  /** Who dispatches, for the record on the worker: `user@host`. */
  readonly by: string;
  readonly project: string;
  readonly issues: readonly number[];
  readonly intent: string | undefined;
  readonly dependsOn: readonly number[];
  readonly requeue: boolean;
  readonly dryRun: boolean;
}

/** The arguments of scripts/remote/dispatch.sh. */
export function dispatchArgs(request: DispatchRequest): string[] {
  return [JSON.stringify(request)];
}

/** `2 issues of demo`, for messages about the whole dispatch. */
export function describeRequest({ issues, project }: DispatchRequest): string {
  return issues.length === 1 ? `${project}#${issues[0]}` : `${count(issues.length, 'issue')} of ${project}`;
}
