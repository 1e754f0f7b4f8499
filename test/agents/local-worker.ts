/** The real claude in a worker of this machine, under the stand-in for factory or a real one (FACTORY_BIN). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  withFirstRunDone,
  withoutPermissionQuestion,
} from '../../image/supervisor/credentials/claude-state.ts';
import { detectDialect } from '../contract/runner.ts';
import { FACTORY_BIN } from '../contract/sandbox.ts';
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
const claude = (url: string) => `#!/bin/bash
export CLAUDE_CODE_OAUTH_TOKEN=$(cat "$WORKER_SECRETS_DIR/CLAUDE_CODE_OAUTH_TOKEN")
export CLAUDE_CONFIG_DIR=$HOME/.claude ANTHROPIC_BASE_URL=${url} DISABLE_AUTOUPDATER=1 IS_SANDBOX=1
exec '${program()}' "$@"
`;

/** The programs of such a worker: claude, and with FACTORY_BIN a real factory in the place of the stand-in. */
export const programs = (url: string) => ({
  claude: claude(url),
  ...(FACTORY_BIN === null ? {} : { factory: `#!/bin/sh\nexec '${FACTORY_BIN}' "$@"\n` }),
});

/** The dialects that are tried: A and B of the stand-in, or that of the real factory. */
export const DIALECTS: readonly ('a' | 'b')[] =
  FACTORY_BIN === null ? ['a', 'b'] : [await realDialect(FACTORY_BIN)];

/** How much longer than the stand-in a factory may take, which looks at a pane every 30 s. */
export const SLOWER = FACTORY_BIN === null ? 1 : 8;

async function realDialect(bin: string): Promise<'a' | 'b'> {
  const dialect = await detectDialect(bin);
  if (dialect !== 'a' && dialect !== 'b')
    throw new Error(`FACTORY_BIN=${bin} is a build of dialect ${dialect}: these tests need one with SQLite`);
  return dialect;
}

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
