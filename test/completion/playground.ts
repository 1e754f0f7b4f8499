/** A place to complete in: the programs on PATH, a workers.yaml, and a worker that answers. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/lib/cli/version.ts';

export interface Playground {
  readonly dir: string;
  /** PATH with both programs, HOME with a workers.yaml. */
  readonly env: Readonly<Record<string, string>>;
  remove(): void;
}

/** The sessions of the worker `laptop`. A tmux session may have any name but one with a dot or a colon. */
export const SESSIONS = ['orchestrator', '23-qa-1', '24-implement-1', 'my session', 'pay $5'] as const;

const WORKERS = `workers:
  - { name: laptop, runtime: local, home: ../laptop }
  - { name: worker-1, pod: factory-worker-1, namespace: factory, context: one }
  - { name: worker-2, pod: factory-worker-2, namespace: factory, context: two }
`;

/** Says what it was called with; knows completion as a program built with cobra does. */
const FACTORY = `#!/bin/bash
[ "$1" = __complete ] || { echo "real factory: $*"; exit 7; }
case \${*: -1} in
  q*) printf 'queue\\tManage the issue queue\\nqa\\tQA\\n:4\\n' ;;
  fi*) printf ':0\\n' ;;
  *) printf ':4\\n' ;;
esac
echo 'Completion ended with directive: x' >&2
`;

/** Thirty-odd seconds of silence: the worker reads its clock before it asks tmux, and a second may begin between the two. */
const TMUX = `#!/bin/bash
now=$(date +%s)
while IFS= read -r name; do
  printf '%s\\t%s\\t%s\\t0\\t0\\t\\n' "$name" "$((now - 35))" "$((now - 90))"
done <"\${0%/*}/../sessions"
`;

/** @throws Error when the program is not built */
export function playground(): Playground {
  const dir = mkdtempSync(join(tmpdir(), 'fw-completion-'));
  const program = join(packageRoot(), 'dist', 'factory-worker.js');
  if (!existsSync(program)) throw new Error(`there is no ${program}: npm run build`);
  for (const folder of ['bin', 'home/.factory', 'laptop/bin', 'laptop/state', 'laptop/run', 'laptop/repos']) {
    mkdirSync(join(dir, folder), { recursive: true });
  }
  symlinkSync(program, join(dir, 'bin/factory-worker'));
  writeFileSync(join(dir, 'bin/factory'), FACTORY, { mode: 0o755 });
  writeFileSync(join(dir, 'home/.factory/workers.yaml'), WORKERS.replace('../laptop', join(dir, 'laptop')));

  const laptop = join(dir, 'laptop');
  writeFileSync(join(laptop, 'bin/tmux'), TMUX, { mode: 0o755 });
  writeFileSync(join(laptop, 'sessions'), SESSIONS.map((name) => `${name}\n`).join(''));
  for (const project of ['demo', 'deathcookies']) {
    const clone = join(laptop, 'repos', project);
    execFileSync('git', ['init', '--quiet', clone]);
    execFileSync('git', ['-C', clone, 'remote', 'add', 'origin', `https://example.com/acme/${project}.git`]);
  }
  const env = {
    HOME: laptop,
    PATH: `${join(laptop, 'bin')}:/usr/bin:/bin`,
    LANG: 'C.UTF-8',
    WORKER_CONFIG_DIR: laptop,
    WORKER_SECRETS_DIR: laptop,
    WORKER_RUN_DIR: join(laptop, 'run'),
    WORKER_STATE_DIR: join(laptop, 'state'),
    WORKER_REPOS_DIR: join(laptop, 'repos'),
  };
  writeFileSync(join(laptop, 'worker.json'), JSON.stringify({ schema: 1, name: 'laptop', env }));

  return {
    dir,
    env: {
      PATH: `${join(dir, 'bin')}:${process.env['PATH']}`,
      HOME: join(dir, 'home'),
      KUBECTL: '/nonexistent/kubectl',
      LANG: 'C.UTF-8',
      TERM: 'xterm',
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
