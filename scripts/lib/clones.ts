/**
 * What is said of a main checkout that is not what its remote has. Pure; shared by the supervisor, which takes no row from it,
 * and by the commands, which show why.
 */
import type { CloneFault } from './contract.ts';

/** Why no row is taken: the heartbeat's reason. */
export function describeCloneHold({ project, text }: Pick<CloneFault, 'project' | 'text'>): string {
  return `no issue of ${project} is begun: ${text}`;
}
