/** The flags of commands that roll workers. */

import { UsageError } from '../cli/errors.ts';
import type { Flags } from '../cli/flags.ts';
import { parseDuration } from '../config/duration.ts';
import type { CampaignOptions } from './campaign.ts';

export const CAMPAIGN_FLAGS = {
  'no-prepull': {
    type: 'boolean',
    description: 'do not try the image in a pod of its own first; a migration then shows after the roll only',
  },
  'prepull-timeout': {
    type: 'string',
    value: 'DURATION',
    default: '15m',
    description: 'how long pulling may take',
  },
  'drain-timeout': {
    type: 'string',
    value: 'DURATION',
    default: '1h',
    description: 'how long the running stage may take; then nothing is rolled (124)',
  },
  now: {
    type: 'boolean',
    description: 'do not wait for the running stage; the next start takes it up again',
  },
  'ready-timeout': {
    type: 'string',
    value: 'DURATION',
    default: '15m',
    description: 'how long the new pod may take',
  },
  'allow-state-migration': {
    type: 'boolean',
    description: 'take an image whose factory has another dialect or database schema',
  },
  'max-parallel': {
    type: 'string',
    value: 'N',
    default: '2',
    description: 'after the first: so many at a time',
  },
  'dry-run': { type: 'boolean', description: 'print every command; change nothing' },
  yes: { type: 'boolean', short: 'y', description: 'do not ask' },
} as const satisfies Flags;

interface CampaignFlagValues {
  readonly 'prepull-timeout': string;
  readonly 'drain-timeout': string;
  readonly 'ready-timeout': string;
  readonly 'allow-state-migration': boolean;
  readonly 'max-parallel': string;
  readonly 'dry-run': boolean;
  readonly yes: boolean;
}

export function campaignOptions(flags: CampaignFlagValues, json: boolean): CampaignOptions {
  const maxParallel = Number(flags['max-parallel']);
  if (!Number.isInteger(maxParallel) || maxParallel < 1)
    throw new UsageError('--max-parallel takes a number from 1 on');
  return {
    prepullMs: parseDuration(flags['prepull-timeout'], '--prepull-timeout'),
    drainMs: parseDuration(flags['drain-timeout'], '--drain-timeout'),
    readyMs: parseDuration(flags['ready-timeout'], '--ready-timeout'),
    allowMigration: flags['allow-state-migration'],
    maxParallel,
    yes: flags.yes,
    dryRun: flags['dry-run'],
    json,
  };
}
