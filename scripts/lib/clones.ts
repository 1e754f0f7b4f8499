/**
 * Describes a main checkout that differs from its remote. Pure; shared by the supervisor, which takes no row of the project,
 * and by the commands, which show why.
 */
import type { CloneFault } from './contract.ts';

/** Why no row is taken: the heartbeat's reason. */
export function describeCloneHold({ project, text }: Pick<CloneFault, 'project' | 'text'>): string {
  return `no issue of ${project} is begun: ${text}`;
}
