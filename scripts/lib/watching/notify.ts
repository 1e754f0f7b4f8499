/** Notifies an operator who does not look at the terminal: on the desktop, or through a webhook. */
import { readFileSync } from 'node:fs';
import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, UsageError } from '../cli/errors.ts';
import { withoutControls } from '../cli/safe-text.ts';
import type { Argv } from '../exec.ts';
import { maskTokens } from '../tokens.ts';
import type { WatchEvent } from './events.ts';

/** @throws CliError when the notification failed */
export type Notify = (event: WatchEvent) => Promise<void>;

const TIMEOUT_MS = 10_000;

/** The program that shows a desktop notification. Title and text are arguments, never part of a script. */
export function desktopArgv(platform: NodeJS.Platform, title: string, text: string): Argv | null {
  if (platform === 'darwin') {
    const show = 'display notification (item 2 of argv) with title (item 1 of argv)';
    return ['osascript', '-e', 'on run argv', '-e', show, '-e', 'end run', title, text];
  }
  if (platform === 'linux') return ['notify-send', '--app-name=factory-worker', '--', title, asBody(text)];
  return null;
}

/** notify-send takes backslashes for escapes, and the desktop what it gets for markup (Desktop Notifications 1.2, "Markup"). */
function asBody(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\\': '\\\\' };
  return text.replaceAll(/[&<>\\]/g, (character) => entities[character] ?? character);
}

/**
 * @throws CliError with exit 127 when this machine has no program for it
 */
export async function desktopNotify(
  { exec, env, signal }: Pick<Context, 'exec' | 'env' | 'signal'>,
  platform: NodeJS.Platform = process.platform,
): Promise<Notify> {
  const [program] = desktopArgv(platform, '', '') ?? [];
  const found =
    program !== undefined &&
    (await exec.run(['sh', '-c', 'command -v "$1"', 'sh', program], { env })).code === 0;
  if (!found) {
    throw new CliError(
      `this machine cannot show a notice: ${program ?? `nothing is known for ${platform}`} is missing`,
      {
        exitCode: ExitCode.missingProgram,
        hints: [
          ...(platform === 'linux' ? ['on Debian and Ubuntu: apt-get install libnotify-bin'] : []),
          'or have the events sent: --webhook FILE',
        ],
      },
    );
  }
  return async ({ worker, text }) => {
    const argv = desktopArgv(platform, worker, plain(text));
    if (argv === null) return;
    const { code, stderr } = await exec.run(argv, { env, signal, timeoutMs: TIMEOUT_MS });
    if (code !== 0)
      throw new CliError(`no notice on the desktop: ${stderr.trim() || `${argv[0]} ended with ${code}`}`);
  };
}

/** Text of a worker for outputs that no sink filters: no control characters, tokens masked. */
function plain(text: string): string {
  return maskTokens(withoutControls(text));
}

/**
 * Text without mentions in a chat: a zero-width space keeps `@here`, `@everyone` or `@channel` from being a mention, and
 * `<!channel>` or `<@U123>` from being one in Slack's way of writing. Addresses of mail stay.
 */
function withoutMentions(text: string): string {
  return text.replaceAll(/@(?=everyone|here|channel|all)|(?<!\w)@(?=\w)|<(?=[!@#])/gi, '$&\u200b');
}

/** All strings of a value, changed. */
function mapStrings<T>(value: T, change: (text: string) => string): T {
  if (typeof value === 'string') return change(value) as T;
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change)) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapStrings(item, change)])) as T;
}

/** The variable for the URL, instead of a file. The URL is a secret: anyone who knows it can post. */
export const WEBHOOK_VARIABLE = 'FACTORY_WORKER_WEBHOOK';

/**
 * @param file holds the URL in its first line; undefined for the variable
 * @returns null when neither is given
 * @throws UsageError when there is no such file, or no http URL in it; the URL itself is never part of a message
 */
export function readWebhook(file: string | undefined, env: NodeJS.ProcessEnv): URL | null {
  const from = file ?? `$${WEBHOOK_VARIABLE}`;
  let text: string;
  try {
    text = file === undefined ? (env[WEBHOOK_VARIABLE] ?? '') : readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(
      `cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`,
      'its first line is the URL',
    );
  }
  const line = text.split('\n')[0]?.trim() ?? '';
  if (line === '' && file === undefined) return null;
  if (!URL.canParse(line) || !/^https?:$/.test(new URL(line).protocol)) {
    throw new UsageError(`${from} holds no http(s) URL`, 'its first line is the URL');
  }
  return new URL(line);
}

/**
 * Posts an event as JSON, with its sentence under the keys that chat programs take: `text` and `content`. No text in it calls
 * anybody or holds a token.
 *
 * @param pausesMs before the second and every further try
 */
export function webhookNotify(url: URL, signal: AbortSignal, pausesMs = [1_000, 5_000]): Notify {
  return async (told) => {
    const event = mapStrings(told, (text) => withoutMentions(plain(text)));
    const said = `${event.worker}: ${event.text}`;
    const body = JSON.stringify({ ...event, text: said, content: said });
    let trouble = '';
    for (const pause of [0, ...pausesMs]) {
      const { setTimeout: sleep } = await import('node:timers/promises');
      if (pause > 0) await sleep(pause, undefined, { signal });
      try {
        const answer = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
          redirect: 'error',
          signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        });
        if (answer.ok) return;
        trouble = `it answered ${answer.status}`;
        // What it does not accept now it will not accept in a moment.
        if (answer.status < 500 && answer.status !== 429) break;
      } catch (error) {
        signal.throwIfAborted();
        const { cause } = error as { cause?: { code?: string } };
        trouble = cause?.code ?? (error as Error).name;
      }
    }
    throw new CliError(`the webhook at ${url.host} was not told: ${trouble}`);
  };
}
