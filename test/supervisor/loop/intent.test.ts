import { describe, expect, it } from 'vitest';
import { giveIntent, lostIntents } from '../../../image/supervisor/loop/intent.ts';
import type { Pipeline, QueueRow } from '../../../scripts/lib/factory.ts';
import { fakeFiles } from '../fakes.ts';
import { pipeline, row } from './factory-samples.ts';

const FLAT = '/home/.factory/pipelines/23/pipeline.json';
const NAMESPACED = '/home/.factory/pipelines/acme/demo/23/pipeline.json';
const LOST = { issue: 23, intent: 'x' };

const json = (fields: object) => JSON.stringify({ issue: 23, status: 'pending', ...fields });
const active = row(23, { status: 'active' });
const begun = pipeline(23, { status: 'pending' });

interface Case {
  readonly is: string;
  readonly files: Record<string, string>;
  readonly rows?: readonly QueueRow[];
  readonly pipelines?: readonly Pipeline[];
}

const found = ({ files, rows = [active], pipelines = [begun] }: Case) =>
  lostIntents(fakeFiles(files), '/home', { rows, pipelines });

describe('an intent is lost', () => {
  it.each<Case>([
    { is: 'when the pipeline has an empty one', files: { [FLAT]: json({ feature_intent: '' }) } },
    { is: 'when the pipeline has none', files: { [FLAT]: json({}) } },
    { is: 'in a namespace as well', files: { [NAMESPACED]: json({ feature_intent: '' }) } },
  ])('$is', (sample) => expect(found(sample)).toEqual([LOST]));
});

describe('no intent is lost', () => {
  const files = { [FLAT]: json({ feature_intent: '' }) };
  it.each<Case>([
    { is: 'when the pipeline has one', files: { [FLAT]: json({ feature_intent: 'y' }) } },
    { is: 'when the row has none', files, rows: [row(23, { status: 'active', intent: '' })] },
    { is: 'when the row is not active', files, rows: [row(23)] },
    { is: 'in a stage: its prompt is sent', files, pipelines: [pipeline(23)] },
    {
      is: 'when two projects have a row',
      files,
      rows: [active, row(23, { status: 'pending', namespace: 'a/b' })],
    },
    { is: 'when two projects have a pipeline', files, pipelines: [begun, begun] },
    { is: 'when two projects have a file', files: { ...files, [NAMESPACED]: json({}) } },
    { is: 'when the file is half written', files: { [FLAT]: '{"issue": 23, "fea' } },
    { is: 'when there is no file', files: {} },
  ])('$is', (sample) => expect(found(sample)).toEqual([]));
});

it('is given to the pipeline, whose other fields stay as they are', () => {
  const before = { issue: 23, feature_intent: '', stage_history: [], created_at: '2026-11-22T12:00:00Z' };
  const files = fakeFiles({ [NAMESPACED]: json(before) });
  giveIntent(files, '/home', LOST);
  expect(JSON.parse(files.read(NAMESPACED) ?? '')).toEqual({
    ...before,
    status: 'pending',
    feature_intent: 'x',
  });
  giveIntent(files, '/home', { issue: 23, intent: 'another' });
  expect(files.read(NAMESPACED)).toContain('"feature_intent": "x"');
});
