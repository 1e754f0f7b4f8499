/** Chooses the log that the operator means, and from when on it is shown. Pure. */
import { CliError, ExitCode, UsageError } from '../cli/errors.ts';
import { didYouMean } from '../cli/text.ts';
import { parseDuration } from '../config/duration.ts';
import { BOOT_SESSION, ORCHESTRATOR_SESSION } from '../contract.ts';
import type { Frame } from '../transport/frame.ts';
import { parseSessions, parseStageName } from '../worker/sessions.ts';

/** A log of a worker. `boot` is the supervisor's output since it started, `docker` is dockerd's log, `postgres` its server's. */
export type Log =
  | { readonly kind: 'boot' | 'orchestrator' | 'docker' | 'postgres' }
  | { readonly kind: 'session'; readonly name: string };

/** The logs that do not belong to a session of a stage. */
export function fixedLog(word: string): Log | null {
  if (word === BOOT_SESSION) return { kind: 'boot' };
  if (word === ORCHESTRATOR_SESSION) return { kind: 'orchestrator' };
  if (word === 'docker' || word === 'postgres') return { kind: word };
  return null;
}

/**
 * The session with exactly that name, running or gone; otherwise the only running one at that stage; otherwise the only
 * recorded one.
 *
 * @param frame the answer of scripts/remote/look.sh with `recordings`
 * @throws CliError with the candidates, exit 2
 */
export function chooseRecording(frame: Frame, wanted: string): Log {
  const recorded = (frame.parts.get('recordings')?.text ?? '').split('\n').filter((name) => name !== '');
  const living = parseSessions(frame.parts.get('sessions')?.text ?? '')
    .map(({ name }) => name)
    .filter((name) => fixedLog(name) === null);
  const all = [...new Set([...recorded, ...living])];
  if (all.includes(wanted)) return { kind: 'session', name: wanted };
  const atStage = (names: readonly string[]) =>
    names.filter((name) => parseStageName(name)?.stage === wanted);
  for (const found of [atStage(living), atStage(recorded)]) {
    const [only, ...others] = found;
    if (only !== undefined && others.length === 0) return { kind: 'session', name: only };
    if (others.length > 0) {
      throw new CliError(`several sessions are or were at stage ${wanted}`, {
        exitCode: ExitCode.usage,
        hints: [`give one of: ${latest(found)}`],
      });
    }
  }
  const near = didYouMean(wanted, [...all, ORCHESTRATOR_SESSION, BOOT_SESSION, 'docker', 'postgres']);
  throw new CliError(`there is no session ${wanted}, and none was recorded under that name`, {
    exitCode: ExitCode.usage,
    hints: [
      ...(near === null ? [] : [near]),
      `logs there are: orchestrator, boot, docker, postgres${all.length > 0 ? `, ${latest(all)}` : ''}`,
    ],
  });
}

/** Names for a hint; a longer list would hide the message above it. */
function latest(names: readonly string[], most = 12): string {
  const more = names.length - most;
  return `${names.slice(-most).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** `--since`: seconds before now by the worker's clock, or a time: `2026-07-20T15:00:00Z`. */
export type Since = { readonly seconds: number } | { readonly time: string };

/** The zone may be left out: the logs are in UTC, and so is a time copied from them. */
const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.\d+)?(Z|[+-]\d\d:\d\d)?)?$/;

/** @throws UsageError for what is neither a duration nor a time */
export function parseSince(text: string): Since {
  const [whole, day, minute = '00:00', second = ':00', zone = 'Z'] = TIME.exec(text) ?? [];
  if (whole !== undefined) {
    const at = Date.parse(`${day}T${minute}${second}${zone}`);
    if (!Number.isNaN(at)) return { time: `${new Date(at).toISOString().slice(0, 19)}Z` };
  } else if (/^[\d.]+(?:[a-z]|$)/.test(text)) {
    return { seconds: Math.ceil(parseDuration(text, '--since') / 1000) };
  }
  throw new UsageError(
    `--since: "${text}" is neither a duration nor a time`,
    'write it like 30m or 2h, or like 2026-07-20T15:00Z (a time without a zone is in UTC, as in the logs)',
  );
}

/** As scripts/remote/logs.sh takes it. */
export function sinceArgument(since: Since | null): string {
  if (since === null) return '';
  return 'time' in since ? since.time : String(since.seconds);
}

/** As `kubectl logs` takes it. */
export function sinceFlags(since: Since | null): string[] {
  if (since === null) return [];
  return 'time' in since ? [`--since-time=${since.time}`] : [`--since=${since.seconds}s`];
}
