/** `npx tsx test/cluster/kubectl.ts` prints the path of a kubectl for a machine that has none: that is how the scripts get it. */
import { pinnedKubectl } from '../charts/pinned-helm.ts';

const path = pinnedKubectl();
if (path === null) throw new Error('there is no pinned kubectl for this system');
process.stdout.write(`${path}\n`);
