/** The chart's settings: every field has a default, so that an older chart works with a newer image. */
import { DEFAULT_SETTINGS, FILES, isRecord, type Settings } from '../../scripts/lib/contract.ts';
import { readDocument } from '../../scripts/lib/read-contract.ts';
import type { Effects } from './effects/effects.ts';
import { messageOf } from './util/errors.ts';
import { createNews } from './util/news.ts';

/** @returns the current settings: the file is read at each call, since a ConfigMap may change in a running pod */
export function createSettings(path: string, { files, log }: Pick<Effects, 'files' | 'log'>): () => Settings {
  const complain = createNews(log.line);
  let settings: Settings = DEFAULT_SETTINGS;
  return () => {
    try {
      settings = parseSettings(files.read(path));
      complain('');
    } catch (error) {
      // An invalid ConfigMap must not stop the worker: the previous settings stay in force.
      complain(`${messageOf(error)}; keeping the previous settings`);
    }
    return settings;
  };
}

/**
 * @param text content of settings.json; null when there is none
 * @throws Error that names the mistake
 */
export function parseSettings(text: string | null): Settings {
  if (text === null) return DEFAULT_SETTINGS;
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Error('settings.json is not JSON');
  }
  const settings = readDocument('settings', FILES.settings, overlay(DEFAULT_SETTINGS, document));
  positive('orchestrator.intervalSeconds', settings.orchestrator.intervalSeconds, 1);
  positive('shutdown.waitForStageSeconds', settings.shutdown.waitForStageSeconds, 0);
  if (settings.shutdown.graceSeconds !== null)
    positive('shutdown.graceSeconds', settings.shutdown.graceSeconds, 1);
  return settings;
}

/** The document merged over the defaults; fields unknown to the defaults belong to another version and are dropped. */
function overlay(defaults: unknown, document: unknown): unknown {
  if (document === undefined) return defaults;
  if (!isRecord(defaults) || !isRecord(document)) return document;
  const fields = Object.keys(defaults).map((key) => [key, overlay(defaults[key], document[key])]);
  return Object.fromEntries(fields);
}

function positive(name: string, value: unknown, least: number): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < least) {
    throw new Error(
      `settings.json: ${name} is ${JSON.stringify(value)}, expected a number of at least ${least}`,
    );
  }
}
