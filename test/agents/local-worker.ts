/** The real claude in a worker of this machine, under the stand-in for factory. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  withFirstRunDone,
  withoutPermissionQuestion,
} from '../../image/supervisor/credentials/claude-state.ts';
import type { TestWorker } from '../local/worker.ts';
import { program } from './agent.ts';
import { bash } from './screens.ts';

/** While claude is still starting, which lasts on a busy machine, it takes an Enter for a part of the prompt. */
export const PATIENT = {
  STANDIN_FACTORY_GREETING_SECONDS: '60',
  STANDIN_FACTORY_ENTER_SECONDS: '1',
  STANDIN_FACTORY_ENTERS: '10',
  STANDIN_FACTORY_HUMAN_SECONDS: '100',
  STANDIN_FACTORY_STABLE_SECONDS: '100',
} as const;

/** claude with the worker's token, as the image's wrapper starts it, and with a server of ours for its API. */
export const claude = (url: string) => `#!/bin/bash
export CLAUDE_CODE_OAUTH_TOKEN=$(cat "$WORKER_SECRETS_DIR/CLAUDE_CODE_OAUTH_TOKEN")
export CLAUDE_CONFIG_DIR=$HOME/.claude ANTHROPIC_BASE_URL=${url} DISABLE_AUTOUPDATER=1 IS_SANDBOX=1
exec '${program()}' "$@"
`;

/** On a worker of this machine the questions of claude's first start are answered by its owner. */
export function answerFirstStart({ layout }: TestWorker): void {
  const config = join(layout.home, '.claude');
  mkdirSync(config, { recursive: true });
  const clone = join(layout.dirs.WORKER_REPOS_DIR, 'demo');
  writeFileSync(join(config, '.claude.json'), withFirstRunDone(null, [clone]) ?? '');
  writeFileSync(join(config, 'settings.json'), withoutPermissionQuestion(null) ?? '');
}

export const COMMIT = bash(
  'git -c user.name=t -c user.email=t@t commit --quiet --allow-empty --message done',
);
