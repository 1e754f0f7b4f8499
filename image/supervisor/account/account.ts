/** Monitors claude's account: reads the records of the stages' hooks, and probes whether claude works again. */
import { accountCause } from '../../../scripts/lib/account.ts';
import {
  type AccountHold,
  type AccountRecord,
  type ClaudeFailure,
  FILES,
  SCHEMA,
  UNHEARD,
} from '../../../scripts/lib/contract.ts';
import { parseStageName } from '../../../scripts/lib/factory.ts';
import { readContract, readJsonLines } from '../../../scripts/lib/read-contract.ts';
import { knownSecrets, maskTokens } from '../../../scripts/lib/tokens.ts';
import type { Effects } from '../effects/effects.ts';
import type { Environment } from '../environment.ts';
import { duration, timestamp } from '../util/time.ts';
import { freeAccount, isProbeDue, look, type Standing, unseen, withProbe } from './hold.ts';
import { currentToken, fingerprint } from './token.ts';
import { silentAgents, unheard } from './unheard.ts';

/** Short, with the smallest model; only sent while work is held. */
const QUESTION = ['claude', '--print', '--model', 'haiku', 'Answer with the one word ok'] as const;
const TIMEOUT_MS = 120_000;
const TEXT_CHARACTERS = 500;

export interface Account {
  /** Why claude's account does not work; null when it does, as far as is known. */
  hold(): AccountHold | null;
  /** The records of the hooks. */
  failures(): ClaudeFailure[];
  /** Looks for stages whose prompt never arrived, and probes claude when a probe is due. */
  maintain(): Promise<void>;
}

/**
 * @param loginMissing whether claude has nothing to log in with
 * @param changed called when a hold begins, ends or changes, with the issues whose stages cannot work
 */
export function createAccount(
  { claudeDir, dirs, home, paths }: Environment,
  { clock, files, log, processes, tmux }: Effects,
  loginMissing: () => boolean,
  changed: (lost: readonly number[]) => void,
): Account {
  const token = () => currentToken(dirs.WORKER_SECRETS_DIR, files);
  const failures = () =>
    readJsonLines('claudeFailure', FILES.claudeFailures, files.read(paths.claudeFailures) ?? '');
  const standing = (): Standing => ({
    token: fingerprint(token()),
    tokenMissing: loginMissing(),
    now: clock.now(),
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  });

  /** Without a valid file nothing is held: removing the file lets the worker continue. */
  const read = (seen: number): AccountRecord => {
    try {
      return readContract('account', FILES.account, files.read(paths.account) ?? '');
    } catch {
      return freeAccount(seen);
    }
  };

  const write = (before: AccountRecord, after: AccountRecord, lost: readonly number[] = []): void => {
    const text = `${JSON.stringify(after)}\n`;
    if (files.read(paths.account) !== text) files.write(paths.account, text);
    // The begin of a hold is logged by the loop, which then rests.
    if (before.hold !== null && after.hold === null) log.orchestrator('claude works again: resuming work');
    if (JSON.stringify(before.hold) !== JSON.stringify(after.hold)) changed(lost);
  };

  const current = (): AccountRecord => {
    const all = failures();
    const before = read(all.length);
    const after = look(before, all, standing());
    const news = unseen(before, all);
    for (const { issue, stage, text, error } of news) {
      log.orchestrator(
        `#${issue} failed in stage ${stage}: ${error === UNHEARD ? 'claude' : 'claude said'}: ${text || 'nothing'} (${error})`,
      );
    }
    const lost = news
      .filter(({ error, text }) => accountCause(error, text) !== null)
      .map(({ issue }) => issue);
    write(before, after, lost);
    return after;
  };

  /** Writes the record that a hook would write if claude had one for this case. */
  const noteUnheard = async (): Promise<void> => {
    const agents = silentAgents(claudeDir, files);
    if (agents.length === 0) return;
    for (const { session, why, startedAt } of unheard(agents, (await tmux.sessions()) ?? [], clock.now())) {
      const stage = parseStageName(session);
      const known = failures().some((past) => past.session === session && Date.parse(past.at) >= startedAt);
      if (stage === null || known) continue;
      const failure: ClaudeFailure = {
        schema: SCHEMA,
        at: timestamp(clock.now()),
        session,
        issue: stage.issue,
        stage: stage.stage,
        error: UNHEARD,
        text: why,
      };
      files.append(paths.claudeFailures, `${JSON.stringify(failure)}\n`);
    }
  };

  return {
    hold: () => current().hold,
    failures,
    async maintain() {
      await noteUnheard();
      if (!isProbeDue(current(), standing())) return;
      const asked = standing();
      const started = clock.now();
      // By default claude retries for three minutes.
      const env = { CLAUDE_CODE_MAX_RETRIES: '1' };
      const { code, stdout, stderr } = await processes.run(QUESTION, {
        cwd: home,
        env,
        timeoutMs: TIMEOUT_MS,
      });
      const said = maskTokens(`${stdout} ${stderr}`, knownSecrets([token()]));
      const text = said.trim().replaceAll(/\s+/g, ' ').slice(0, TEXT_CHARACTERS);
      log.orchestrator(
        `probed claude's account: ${code === 0 ? 'it works' : text || `exit code ${code}`} (${duration(clock.now() - started)})`,
      );
      // The record may have changed during the probe.
      const before = current();
      write(before, withProbe(before, { code, text }, { ...asked, now: clock.now() }));
    },
  };
}
