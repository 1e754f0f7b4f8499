import { describe, expect, it } from 'vitest';
import {
  judgeClaude,
  judgeDatabase,
  judgeGh,
  layersOf,
  parseCredentials,
} from '../../scripts/lib/rotate/layers.ts';
import { hashesOf, releaseOf, type SecretObject, withTokens } from '../../scripts/lib/secret/secret.ts';
import { shortHash } from '../../scripts/lib/short-hash.ts';
import type { Frame } from '../../scripts/lib/transport/frame.ts';

const [OLD, NEW] = [shortHash('old'), shortHash('new')];

function frame(parts: Readonly<Record<string, string>>, rc = 0): Frame {
  return { rc: 0, parts: new Map(Object.entries(parts).map(([name, text]) => [name, { rc, text }])) };
}

const FRESH = {
  files: `GH_TOKEN\t${NEW}\nGH_USER\t${NEW}`,
  next: `GH_TOKEN\t${NEW}\nCLAUDE_CODE_OAUTH_TOKEN\t-`,
  processes: '',
  gh: 'HTTP/2.0 200 OK\r\n\r\n{"login": "factory-bot"}',
};
const secret = new Map([['GH_TOKEN', NEW]]);

describe('a short hash', () => {
  it('is the same with and without the newline of an editor, and of nothing a dash', () => {
    expect(shortHash('token\n')).toBe(shortHash('token'));
    expect(shortHash('token')).toMatch(/^[0-9a-f]{8}$/);
    expect(shortHash('\r\n')).toBe('-');
  });
});

describe('the layers of a token', () => {
  const states = (parts: Readonly<Record<string, string>>) =>
    layersOf(secret, parseCredentials(frame(parts)), ['GH_TOKEN']).map(
      ({ layer, state }) => `${layer}: ${state}`,
    );

  it('are current where each has what the Secret has, and the call was accepted', () => {
    expect(states(FRESH)).toEqual(['Secret: current', 'file: current', 'next call: current']);
    const [, , next] = layersOf(secret, parseCredentials(frame(FRESH)), ['GH_TOKEN']);
    expect(next?.note).toBe('accepted; GitHub knows us as factory-bot');
  });

  it('are stale one by one', () => {
    expect(states({ ...FRESH, files: `GH_TOKEN\t${OLD}` })).toContain('file: stale');
    expect(states({ ...FRESH, files: '' })).toContain('file: stale');
    expect(states({ ...FRESH, next: `GH_TOKEN\t${OLD}` })).toContain('next call: stale');
    const found = parseCredentials(
      frame({ ...FRESH, processes: `7\tclaude\t23-qa-1\tGH_TOKEN\t${OLD}\n8\tnode\t-\tGH_TOKEN\t${NEW}` }),
    );
    expect(layersOf(secret, found, ['GH_TOKEN']).slice(3)).toEqual([
      { key: 'GH_TOKEN', layer: 'process', hash: OLD, state: 'stale', note: 'claude (7) in session 23-qa-1' },
      { key: 'GH_TOKEN', layer: 'process', hash: NEW, state: 'current', note: 'node (8)' },
    ]);
  });

  it.each([
    ['gh: Bad credentials (HTTP 401)', 'refused'],
    ['To get started with GitHub CLI, please run:  gh auth login', 'refused'],
    ['error connecting to api.github.com', 'unknown'],
    ['', 'unknown'],
  ])('gh that says "%s": %s', (text, verdict) => {
    expect(judgeGh(1, text).verdict).toBe(verdict);
  });

  it.each([
    [{ state: 'ready', urlHash: NEW }, 'accepted', ''],
    [{ state: 'starting', urlHash: NEW }, 'unknown', 'its database is being tried'],
    [
      { state: 'down', urlHash: NEW, says: 'ping database: refused (tried again in 2.0s, attempt 2)' },
      'refused',
      'its database cannot be used: ping database: refused',
    ],
    [
      { state: 'failed', urlHash: NEW, says: 'no (such) host' },
      'refused',
      'its database cannot be used: no (such) host',
    ],
  ])('a database that is %j: %s', (database, verdict, reason) => {
    expect(judgeDatabase(new Map(Object.entries({ kind: 'url', ...database })))).toEqual({ verdict, reason });
  });

  it('a database of the worker’s own, or whose URL an older image does not tell, is not judged', () => {
    expect(
      judgeDatabase(
        new Map([
          ['kind', 'postgres'],
          ['state', 'down'],
        ]),
      ),
    ).toBeNull();
    expect(
      judgeDatabase(
        new Map([
          ['kind', 'url'],
          ['state', 'down'],
        ]),
      ),
    ).toBeNull();
    expect(judgeDatabase(new Map())).toBeNull();
  });

  it.each([
    ['Invalid API key · Please run /login', 'refused'],
    ['API Error: 401 {"type":"error","error":{"type":"authentication_error"}}', 'refused'],
    ["You've hit your limit", 'accepted'],
    ['getaddrinfo ENOTFOUND', 'unknown'],
    ['Your organization has disabled Claude subscription access for Claude Code', 'refused'],
    ["You've hit your session limit · resets 3pm (UTC)", 'accepted'],
    ['Credit balance is too low', 'accepted'],
    ['API Error: 529 Overloaded', 'unknown'],
  ])('claude that says "%s": %s', (text, verdict) => {
    expect(judgeClaude(1, text)).toEqual({ verdict, reason: expect.stringContaining(text) });
  });
});

describe('the Secret', () => {
  const data = { GH_TOKEN: Buffer.from('old').toString('base64'), OTHER: 'eA==' };
  const own: SecretObject = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: 's',
      namespace: 'factory',
      labels: { team: 'x' },
      annotations: {
        keep: 'me',
        'kubectl.kubernetes.io/last-applied-configuration': '{"data":{"GH_TOKEN":"b2xk"}}',
      },
      resourceVersion: '7',
    },
    type: 'Opaque',
    data,
  };
  const token = { key: 'GH_TOKEN', value: 'new', source: 'f' } as const;

  it('with a new token keeps everything else, but no copy of the old one; of the version that was read', () => {
    const changed = withTokens(own, 's', [token]);
    expect(changed.data).toEqual({ GH_TOKEN: Buffer.from('new').toString('base64'), OTHER: 'eA==' });
    expect(changed.metadata).toEqual({
      name: 's',
      namespace: 'factory',
      labels: { team: 'x' },
      annotations: { keep: 'me' },
      resourceVersion: '7',
    });
    expect(JSON.stringify(changed)).not.toContain('b2xk');
  });

  it('is made where there is none', () => {
    expect(withTokens(null, 's', [token])).toMatchObject({ metadata: { name: 's' }, type: 'Opaque' });
  });

  it('is the release’s where Helm made it', () => {
    expect(releaseOf(own)).toBeNull();
    const labels = { 'app.kubernetes.io/managed-by': 'Helm' };
    const annotations = { 'meta.helm.sh/release-name': 'worker-1' };
    expect(releaseOf({ ...own, metadata: { name: 's', labels, annotations } })).toBe('worker-1');
    expect(hashesOf(own).get('GH_TOKEN')).toBe(OLD);
    expect(hashesOf(null).size).toBe(0);
  });
});
