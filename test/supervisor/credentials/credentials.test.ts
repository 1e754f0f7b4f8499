import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  keepClaudeSeeded,
  withFirstRunDone,
  withoutPermissionQuestion,
} from '../../../image/supervisor/credentials/claude-state.ts';
import { howToBring } from '../../../image/supervisor/credentials/credentials.ts';
import { judgeToken } from '../../../image/supervisor/credentials/github.ts';
import { files } from '../../../image/supervisor/effects/system.ts';
import { makeFolder } from '../../support/janitor.ts';
import { fakeClock, fakeEnvironment, fakeLog } from '../fakes.ts';

const CURE = 'replace it in the Secret';

function answer(change: { code?: number; stdout?: string; stderr?: string; timedOut?: boolean }) {
  return { code: 0, stdout: '', stderr: '', timedOut: false, ...change };
}

function good(scopes: string | null, login = 'bot'): string {
  const header = scopes === null ? '' : `X-Oauth-Scopes: ${scopes}\r\n`;
  return `HTTP/2.0 200 OK\r\n${header}Server: x\r\n\r\n{"login":"${login}","id":1}`;
}

describe('judgeToken', () => {
  test.each([
    [
      'a good one',
      answer({ stdout: good('read:org, repo') }),
      'ok',
      'GitHub knows us as bot (read:org, repo)',
    ],
    ['a fine-grained one', answer({ stdout: good(null) }), 'ok', 'GitHub knows us as bot'],
    ['an app’s, whose header is empty', answer({ stdout: good('') }), 'ok', 'GitHub knows us as bot'],
    [
      'somebody else’s',
      answer({ stdout: good('repo', 'mallory') }),
      'ok',
      'GitHub knows us as mallory (repo); GH_USER says bot',
    ],
    [
      'one that may not do enough',
      answer({ stdout: good('gist, public_repo') }),
      'failed',
      `GH_TOKEN of bot lacks the scope "repo" (it has gist, public_repo): ${CURE}`,
    ],
    [
      'a wrong one',
      answer({ code: 1, stderr: 'gh: Bad credentials (HTTP 401)\nTry authenticating with:  gh auth login' }),
      'failed',
      `GitHub refuses GH_TOKEN (401 bad credentials): ${CURE}`,
    ],
    [
      'no network',
      answer({ code: 1, stderr: 'error connecting to api.github.com\ncheck your internet connection' }),
      'failed',
      'GitHub cannot be reached (error connecting to api.github.com); the worker continues and tries again',
    ],
    [
      'no answer',
      answer({ code: 143, timedOut: true }),
      'failed',
      'GitHub cannot be reached (no answer); the worker continues and tries again',
    ],
    ['anything else', answer({ code: 1, stderr: 'gh: oops\n' }), 'failed', 'GitHub: gh: oops'],
  ])('%s', (_what, said, status, message) => {
    expect(judgeToken(said, 'bot', CURE)).toEqual({ status, message });
  });
});

describe('how to bring what is missing', () => {
  const { dirs } = fakeEnvironment();
  const { secret } = fakeEnvironment({
    WORKER_SECRET_NAME: 'factory-w1-secrets',
    WORKER_NAMESPACE: 'factory',
  });

  test('makes the Secret where there is none', () => {
    expect(howToBring({ secret, dirs }, ['GH_TOKEN', 'GH_USER'], [])).toBe(
      'write GH_TOKEN=…, GH_USER=… into a FILE, one a line, and type: kubectl --namespace factory create secret generic factory-w1-secrets --from-env-file=FILE',
    );
  });

  test('adds to the one that is there', () => {
    expect(howToBring({ secret, dirs }, ['GH_TOKEN'], ['GH_USER'])).toBe(
      'write {"stringData":{"GH_TOKEN":"…"}} into a FILE and type: kubectl --namespace factory patch secret factory-w1-secrets --patch-file=FILE',
    );
  });

  test('outside Kubernetes they are files', () => {
    expect(howToBring(fakeEnvironment(), ['GH_TOKEN'], [])).toBe(
      'write GH_TOKEN into /w/secrets, each into a file of its name',
    );
  });
});

describe('claude’s first start', () => {
  test('is done before it happens', () => {
    expect(JSON.parse(withFirstRunDone(null, ['/r']) ?? '')).toEqual({
      theme: 'dark',
      hasCompletedOnboarding: true,
      bypassPermissionsModeAccepted: true,
      projects: {
        '/r': {
          hasClaudeMdExternalIncludesApproved: false,
          hasClaudeMdExternalIncludesWarningShown: true,
          hasTrustDialogAccepted: true,
        },
      },
    });
  });

  test('leaves everything else as claude wrote it, and is written once', () => {
    const first = withFirstRunDone(
      '{"userID":"u","theme":"light","projects":{"/x":{"a":1},"/r":{"b":2,"hasClaudeMdExternalIncludesApproved":true}}}',
      ['/r'],
    );
    expect(JSON.parse(first ?? '')).toEqual({
      userID: 'u',
      theme: 'light',
      hasCompletedOnboarding: true,
      bypassPermissionsModeAccepted: true,
      projects: {
        '/x': { a: 1 },
        '/r': {
          b: 2,
          // What a person has allowed stays allowed.
          hasClaudeMdExternalIncludesApproved: true,
          hasClaudeMdExternalIncludesWarningShown: true,
          hasTrustDialogAccepted: true,
        },
      },
    });
    expect(withFirstRunDone(first, ['/r'])).toBeNull();
  });

  test('is done in a clone that is a link by its real path, as claude knows it', async () => {
    const folder = await makeFolder('seed-');
    const [repos, config, elsewhere] = [join(folder, 'repos'), join(folder, 'claude'), join(folder, 'demo')];
    mkdirSync(repos);
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, join(repos, 'demo'));
    keepClaudeSeeded(
      { clock: fakeClock(), files, log: fakeLog().log },
      {
        directory: config,
        repos,
        guard: () => ({ hook: null, mayAsk: false }),
      },
    )();
    const state = JSON.parse(readFileSync(join(config, '.claude.json'), 'utf8'));
    expect(Object.keys(state.projects)).toEqual([elsewhere]);
    rmSync(folder, { recursive: true });
  });

  test('a damaged file is claude’s to repair', () => {
    expect(withFirstRunDone('{"half', ['/r'])).toBeNull();
    expect(withoutPermissionQuestion('[]')).toBeNull();
  });

  test('the permission question', () => {
    expect(withoutPermissionQuestion('{"model":"x"}')).toBe(
      JSON.stringify({ model: 'x', skipDangerousModePermissionPrompt: true }, null, 2),
    );
    expect(withoutPermissionQuestion('{"skipDangerousModePermissionPrompt":true}')).toBeNull();
  });
});
