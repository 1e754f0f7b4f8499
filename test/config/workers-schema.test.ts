import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { parseWorkers } from '../../scripts/lib/config/parse-workers.ts';
import schema from '../../scripts/lib/config/workers.schema.json' with { type: 'json' };

const EXAMPLE = join(packageRoot(), 'workers.example.yaml');
const example = readFileSync(EXAMPLE, 'utf8');

describe('the schema', () => {
  it('is a valid draft-07 schema in the strictest reading', () => {
    const ajv = new Ajv({ strict: true, allErrors: true });
    expect(schema.$schema).toBe('http://json-schema.org/draft-07/schema#');
    expect(ajv.validateSchema(schema)).toBe(true);
    expect(() => ajv.compile(schema)).not.toThrow();
  });

  it('describes every field, for editors and for messages', () => {
    for (const [name, field] of Object.entries(schema.definitions.worker.properties)) {
      expect(field.description, name).toMatch(/\S/);
    }
  });

  it('says in words what each pattern means, since messages are made of that', () => {
    const { worker: _, ...rules } = schema.definitions;
    for (const [name, rule] of Object.entries(rules)) expect(rule.$comment, name).toMatch(/\S/);
  });
});

describe('workers.example.yaml', () => {
  it('is a file of one worker with the four fields', () => {
    expect(parseWorkers(EXAMPLE, example, '/home/me').workers).toEqual([
      {
        runtime: 'kubernetes',
        name: 'worker-1',
        pod: 'factory-worker-1',
        namespace: 'factory',
        context: 'do-nyc1-factory',
      },
    ]);
  });

  it('shows every other field as a comment that is right once it is none', () => {
    const uncommented = example.replaceAll(/^( +)# (\w+: |- name| {2})/gm, '$1$2');
    expect(uncommented).not.toBe(example);
    const { workers } = parseWorkers(EXAMPLE, uncommented, '/home/me');
    expect(workers).toEqual([
      expect.objectContaining({
        name: 'worker-1',
        container: 'worker',
        kubeconfig: '/home/me/.kube/other',
        keepConnection: '10m',
      }),
      { runtime: 'local', name: 'laptop', home: '/home/me/.factory/local/laptop' },
    ]);
  });

  it('names the schema where editors look for it', () => {
    const [, path] = /^# yaml-language-server: \$schema=(\S+)$/m.exec(example) ?? [];
    expect(JSON.parse(readFileSync(join(packageRoot(), String(path)), 'utf8'))).toEqual(schema);
  });
});
