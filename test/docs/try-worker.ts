/** The quickstart's worker for the documentation: `try`, with the stand-ins, whose agent stays at stage review. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { program } from '../support/program.ts';

const EXAMPLES = join(packageRoot(), 'examples');

const SETTINGS = `STANDIN_FACTORY_BOOT_SECONDS=0.3
STANDIN_FACTORY_POLL_SECONDS=0.3
STANDIN_CLAUDE_QUIET_SECONDS=0.4
STANDIN_CLAUDE_WORK_SECONDS=0.4
STANDIN_CLAUDE_STAY=review
STANDIN_CLAUDE_STAY_SECONDS=3600
`;

export interface TryWorker {
  readonly env: NodeJS.ProcessEnv;
  down(): void;
}

/** @param folder an empty one, with a short path */
export function startTryWorker(folder: string): TryWorker {
  const place = join(folder, '.quickstart');
  mkdirSync(join(place, 'worker', 'home'), { recursive: true });
  writeFileSync(join(place, 'worker', 'home', '.factory-standin'), SETTINGS);
  execFileSync(join(EXAMPLES, 'demo', 'make-origin.sh'), [join(place, 'origin.git')]);
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    HOME: folder,
    FACTORY_WORKERS: join(place, 'workers.yaml'),
    KUBECTL: '/nonexistent/kubectl',
    TERM: 'xterm-256color',
    LANG: 'C.UTF-8',
  };
  const run = (...args: [string, ...string[]]) => {
    const [node, ...words] = program(args[0]);
    execFileSync(node, [...words, ...args.slice(1)], { env, cwd: folder, stdio: 'pipe' });
  };
  const where = ['--home', join(place, 'worker'), '--bin', join(EXAMPLES, 'bin')];
  run('local', 'up', 'try', ...where, '--project', `demo=${join(place, 'origin.git')}`);
  return { env, down: () => run('local', 'down', 'try') };
}
