import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ANSWER_SCHEMAS, type AnswerName } from '../../scripts/lib/transport/answer-schemas.ts';
import { readAnswer } from '../../scripts/lib/transport/read-answer.ts';
import { validator } from '../../scripts/lib/transport/validate-answers.ts';
import { pod, podList } from './cluster.ts';

describe('an answer of kubectl or Helm', () => {
  it('is given back whole, with what is not read here too', () => {
    const secret = {
      metadata: { name: 's', uid: 'u', managedFields: [{ manager: 'x' }] },
      data: { A: 'eA==' },
      immutable: true,
    };
    expect(readAnswer('object', 'worker-1', JSON.stringify(secret))).toEqual(secret);
    expect(readAnswer('list', 'worker-1', podList(pod()))).toMatchObject({ items: [pod()] });
  });

  it('may have null where Kubernetes writes it', () => {
    const event = { metadata: { name: 'e', creationTimestamp: null }, lastTimestamp: null, eventTime: null };
    expect(readAnswer('list', 'worker-1', JSON.stringify({ items: [event] }))).toEqual({ items: [event] });
    expect(readAnswer('kubeconfig', 'worker-1', '{"users":null,"contexts":null}')).toEqual({
      users: null,
      contexts: null,
    });
    expect(readAnswer('helm-values', 'worker-1', 'null')).toBeNull();
  });

  it('that was cut is a broken connection, wherever', () => {
    const whole = podList(pod());
    for (let cut = 0; cut < whole.length; cut += 7) {
      expect(() => readAnswer('list', 'worker-1', whole.slice(0, cut))).toThrow(
        'the connection to worker-1 broke before its answer was whole',
      );
    }
  });

  it.each<[AnswerName, string, string]>([
    ['list', '{"items":{}}', 'items does not fit'],
    ['list', '{"items":[{"metadata":{"name":5}}]}', 'items[0].metadata.name does not fit'],
    ['list', '{"items":[null]}', 'items[0] does not fit'],
    ['list', '{}', 'is not as expected'],
    ['object', '[]', 'is not as expected'],
    ['object', '{"metadata":{"labels":{"a":{}}}}', 'metadata.labels.a does not fit'],
    [
      'object',
      '{"metadata":{},"status":{"conditions":[{"status":"True"}]}}',
      'status.conditions[0] does not fit',
    ],
    ['workload', '{"metadata":{"name":"w"},"spec":{}}', 'spec does not fit'],
    ['workload', '{"metadata":{},"spec":{"template":{"spec":{"containers":[]}}}}', 'metadata does not fit'],
    ['object', `{"metadata":{"name":"${'x'.repeat(254)}"}}`, 'metadata.name does not fit'],
    [
      'workload',
      '{"metadata":{"name":"w"},"spec":{"template":{"spec":{"containers":[],"tolerations":[{"key":[]}]}}}}',
      'spec.template.spec.tolerations[0].key does not fit',
    ],
    ['review', '{"spec":{"resourceAttributes":{}},"status":{}}', 'status does not fit'],
    ['helm-status', '{"version":1,"info":{}}', 'info does not fit'],
    ['helm-history', '{}', 'is not as expected'],
  ])('of another shape is an error that names the place: %s %s', (name, text, message) => {
    expect(() => readAnswer(name, 'worker-1', text)).toThrow(message);
  });

  it('has a schema that ajv can compile, whatever was asked', () => {
    for (const name of Object.keys(ANSWER_SCHEMAS))
      expect(validator(name as AnswerName)(Symbol('none'))).toBe(false);
  });

  it('is parsed at this one place', () => {
    const readers = [
      'transport/find-pod',
      'transport/objects',
      'health/namespace',
      'health/release',
      'helm/helm',
    ];
    const parsing = readers.filter((file) =>
      readFileSync(new URL(`../../scripts/lib/${file}.ts`, import.meta.url), 'utf8').includes('JSON.parse('),
    );
    expect(parsing).toEqual([]);
  });
});
