/**
 * What claude would ask at its first start: a theme, whether it may skip its permission questions, whether it trusts the
 * folder, whether CLAUDE.md may import files from outside of it. In a pane nobody answers, and `factory` would paste the issue into the question.
 */
import { join } from 'node:path';
import { isRecord } from '../../../scripts/lib/contract.ts';
import type { Effects, Files } from '../effects/effects.ts';
import { messageOf } from '../util/errors.ts';

/**
 * @param text content of `.claude.json`; null when there is none
 * @param trusted repositories that claude may work in, their worktrees included
 * @returns the content that it should have; null when it has it already, or cannot be read (claude then mends it itself)
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

/**
 * Keeps claude's state so that every clone is trusted: trust counts for a repository and its worktrees, not for what lies
 * below a folder. Writes only when a clone is new, since claude itself replaces the file at any time.
 *
 * @param directory CLAUDE_CONFIG_DIR; undefined: nobody said where, so nothing is written
 * @returns to be called before the first session, and again now and then
 */
export function keepClaudeSeeded(
  { files, log }: Pick<Effects, 'files' | 'log'>,
  directory: string | undefined,
  repos: string,
): () => void {
  let trusted: string | null = null;
  return () => {
    if (!directory) return;
    const names = files.list(repos).filter((name) => !name.startsWith('.'));
    if (trusted === names.join('/')) return;
    try {
      seedClaude(files, directory, foldersOf(files, repos, names));
      trusted = names.join('/');
    } catch (error) {
      log.line(`cannot write ${directory}: ${messageOf(error)}`);
    }
  };
}

/** The folders of clones as claude names them: by their real path, where one is a link. */
function foldersOf(files: Files, repos: string, names: readonly string[]): string[] {
  return names.map((name) => files.realPath(join(repos, name)));
}

/** On the volume: claude replaces the file by renaming, so a link to it would be lost at the first change. */
function seedClaude(files: Files, directory: string, trusted: readonly string[]): void {
  files.makeDirectory(directory);
  const parts: [string, (text: string | null) => string | null][] = [
    ['.claude.json', (text) => withFirstRunDone(text, trusted)],
    ['settings.json', withoutPermissionQuestion],
  ];
  for (const [name, mend] of parts) {
    const path = join(directory, name);
    const mended = mend(files.read(path));
    if (mended !== null) files.write(path, `${mended}\n`);
  }
}
