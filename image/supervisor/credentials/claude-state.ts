/**
 * Answers the questions of claude's first start in advance: the theme, whether it may skip its permission questions, whether
 * it trusts the folder, whether CLAUDE.md may import files from outside it. In a pane no one answers, and `factory` would
 * paste the issue into the question.
 */
import { join } from 'node:path';
import { isRecord } from '../../../scripts/lib/contract.ts';
import type { Effects } from '../effects/effects.ts';
import { messageOf } from '../util/errors.ts';
import { createNews } from '../util/news.ts';
import { timestamp } from '../util/time.ts';
import { type Guard, withGuard } from './claude-settings.ts';

/**
 * @param text content of `.claude.json`; null when there is none
 * @param trusted repositories that claude may work in, including their worktrees
 * @returns the new content; null when nothing has to change, or the text cannot be parsed
 */
export function withFirstRunDone(text: string | null, trusted: readonly string[]): string | null {
  let document: unknown;
  try {
    document = JSON.parse(text ?? '{}');
  } catch {
    return null;
  }
  if (!isRecord(document)) return null;
  const projects = isRecord(document['projects']) ? { ...document['projects'] } : {};
  for (const folder of trusted) {
    const known = projects[folder];
    projects[folder] = {
      // Imports from outside: claude does not ask, and they stay forbidden unless a person has allowed them.
      hasClaudeMdExternalIncludesApproved: false,
      ...(isRecord(known) ? known : {}),
      hasClaudeMdExternalIncludesWarningShown: true,
      hasTrustDialogAccepted: true,
    };
  }
  const wanted = {
    theme: 'dark',
    ...document,
    hasCompletedOnboarding: true,
    bypassPermissionsModeAccepted: true,
    projects,
  };
  const result = JSON.stringify(wanted, null, 2);
  return text !== null && result === JSON.stringify(document, null, 2) ? null : result;
}

/** The same for `settings.json`, where newer versions look for this key. */
export function withoutPermissionQuestion(text: string | null): string | null {
  let document: unknown;
  try {
    document = JSON.parse(text ?? '{}');
  } catch {
    return null;
  }
  if (!isRecord(document) || document['skipDangerousModePermissionPrompt'] === true) return null;
  return JSON.stringify({ ...document, skipDangerousModePermissionPrompt: true }, null, 2);
}

/** A file of claude's state, and how its content changes; null: nothing has to change. */
interface StateFile {
  readonly path: string;
  readonly seed: (text: string | null) => string | null;
  /** Whether `seed` is called again only when there is another clone: claude drops some of its keys at each start. */
  readonly once: boolean;
}

/** Where claude's state is, and what it has to contain. */
export interface ClaudeState {
  /** Null: not configured, so nothing is written. */
  readonly directory: string | null;
  /** Null: claude's first-run questions are its owner's to answer. */
  readonly repos: string | null;
  readonly guard: () => Guard;
}

/**
 * Keeps claude's state so that a stage can start: every clone is trusted (trust applies to a repository and its worktrees, not
 * to all folders below a path), settings.json has what `withGuard` requires, and neither file is damaged. claude does not repair
 * them: with an empty file it shows the questions of a first start, with one truncated on a full volume an error, and `factory`
 * pastes the issue into that. A damaged file is kept under another name.
 *
 * @returns a function to be called before each stage; it returns why claude's state cannot be written, or null
 */
export function keepClaudeSeeded(
  { clock, files, log }: Pick<Effects, 'clock' | 'files' | 'log'>,
  { directory, repos, guard }: ClaudeState,
): () => string | null {
  if (directory === null) return () => null;
  const complain = createNews(log.line);
  let trusted: readonly string[] = [];
  const all: StateFile[] = [
    {
      path: join(directory, 'settings.json'),
      seed(text) {
        const open = repos === null ? null : withoutPermissionQuestion(text);
        return withGuard(open ?? text, guard()) ?? open;
      },
      once: false,
    },
  ];
  if (repos !== null) {
    all.push({
      path: join(directory, '.claude.json'),
      seed: (text) => withFirstRunDone(text, trusted),
      once: true,
    });
  }
  let known = '';
  let seen = '';

  const look = (): void => {
    const names = repos === null ? [] : files.list(repos).filter((name) => !name.startsWith('.'));
    const fingerprint = () =>
      JSON.stringify([names, guard(), ...all.map(({ path }) => files.identity(path))]);
    if (seen === fingerprint()) return;
    // The real path of a linked clone, which is what claude uses.
    trusted = names.map((name) => files.realPath(join(repos ?? '', name)));
    files.makeDirectory(directory);
    for (const { path, seed, once } of all) {
      const text = soundText(path);
      if (once && text !== null && known === names.join('/')) continue;
      const seeded = seed(text);
      // Written to the volume itself: claude replaces the file by renaming, so a link would be lost at the first change.
      if (seeded !== null) files.write(path, `${seeded}\n`);
    }
    known = names.join('/');
    seen = fingerprint();
  };

  /** The file's content; null when it does not exist or was damaged. */
  const soundText = (path: string): string | null => {
    const text = files.read(path);
    if (text === null || isSound(text)) return text;
    const aside = `${path}.damaged-${timestamp(clock.now()).replaceAll(':', '')}`;
    files.rename(path, aside);
    log.line(`${path} was damaged (${text.length} characters): kept as ${aside}, created a new one`);
    return null;
  };

  return () => {
    try {
      look();
      complain('');
      return null;
    } catch (error) {
      const complaint = `claude's state in ${directory} cannot be written: ${messageOf(error)}; see: df -h ${directory}`;
      complain(complaint);
      return complaint;
    }
  };
}

function isSound(text: string): boolean {
  try {
    return isRecord(JSON.parse(text));
  } catch {
    return false;
  }
}
