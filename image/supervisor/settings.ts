/** The chart's settings: every field has a default, so that an older chart works with a newer image. */
import { DEFAULT_SETTINGS, isRecord, type Settings } from '../../scripts/lib/contract.ts';

/**
 * @param text content of settings.json; null when there is none
 * @throws Error saying what is wrong with it
 */
export function parseSettings(text: string | null): Settings {
  if (text === null) return DEFAULT_SETTINGS;
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Error('settings.json is not JSON');
  }
  const settings = overlay(DEFAULT_SETTINGS, document) as Settings;
  positive('orchestrator.intervalSeconds', settings.orchestrator.intervalSeconds, 1);
  positive('shutdown.waitForStageSeconds', settings.shutdown.waitForStageSeconds, 0);
  if (settings.shutdown.graceSeconds !== null)
    positive('shutdown.graceSeconds', settings.shutdown.graceSeconds, 1);
  return settings;
}

/** The defaults with what the document says; fields that the defaults do not know are of another version. */
function overlay(defaults: unknown, document: unknown): unknown {
  if (document === undefined) return defaults;
  if (!isRecord(defaults) || !isRecord(document)) return document;
  const fields = Object.keys(defaults).map((key) => [key, overlay(defaults[key], document[key])]);
  return Object.fromEntries(fields);
}

function positive(name: string, value: unknown, least: number): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < least) {
    throw new Error(
      `settings.json: ${name} is ${JSON.stringify(value)}, a number from ${least} on is expected`,
    );
  }
}
