/**
 * What claude would ask at its first start: a theme, whether it may skip its permission questions, whether it trusts the
 * folder, whether CLAUDE.md may import files from outside of it. In a pane nobody answers, and `factory` would paste the issue into the question.
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
 * @param trusted repositories that claude may work in, their worktrees included
 * @returns the content that it should have; null when it has it already, or cannot be read
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
      // Imports from outside: not asked, and not allowed unless a person has allowed them.
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

/** The same for `settings.json`, whose key newer versions ask for. */
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

/** A file of claude's state, and what is made of its content; null: it is as it should be. */
interface StateFile {
  readonly path: string;
  readonly seed: (text: string | null) => string | null;
  /** Whether `seed` is asked again only when there is another clone: claude drops some of its keys at each start. */
  readonly once: boolean;
}

/** Where claude's state lies, and what is asked of it there. */
export interface ClaudeState {
  /** Null: nobody said where, so nothing is written. */
  readonly directory: string | null;
  /** Null: claude's first-run questions are its owner's to answer. */
  readonly repos: string | null;
  readonly guard: () => Guard;
}

/**
 * Keeps claude's state so that a stage can start: every clone is trusted (trust counts for a repository and its worktrees,
 * not for what lies below a folder), settings.json has what `withGuard` wants, and neither file is damaged. claude repairs
 * none: of an empty one it shows the questions of a first start, of one cut off by a full volume an error, and `factory`
 * pastes the issue into that. What is damaged is kept beside it.
 *
 * @returns to be called before each stage; it answers why claude's state cannot be written, or null
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
    // By the real path of one that is a link, as claude names it.
    trusted = names.map((name) => files.realPath(join(repos ?? '', name)));
    files.makeDirectory(directory);
    for (const { path, seed, once } of all) {
      const text = soundText(path);
      if (once && text !== null && known === names.join('/')) continue;
      const seeded = seed(text);
      // On the volume: claude replaces the file by renaming, so a link to it would be lost at the first change.
      if (seeded !== null) files.write(path, `${seeded}\n`);
    }
    known = names.join('/');
    seen = fingerprint();
  };

  /** The file's content; null when there is none, also since it was damaged. */
  const soundText = (path: string): string | null => {
    const text = files.read(path);
    if (text === null || isSound(text)) return text;
    const aside = `${path}.damaged-${timestamp(clock.now()).replaceAll(':', '')}`;
    files.rename(path, aside);
    log.line(`${path} was damaged (${text.length} characters): kept as ${aside}, written anew`);
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
