import { describe, expect, it } from 'vitest';
import { withGuard } from '../../../image/supervisor/credentials/claude-settings.ts';
import { keepClaudeSeeded } from '../../../image/supervisor/credentials/claude-state.ts';
import { fakeClock, fakeFiles, fakeLog } from '../fakes.ts';

const HOOK = '/lib/claude-stop-failure.sh';
const GUARD = { hook: HOOK, mayAsk: false };
const OURS = { hooks: [{ type: 'command', command: HOOK }] };
const FRESH = {
  autoContinueAtUsageLimit: false,
  tui: 'default',
  permissions: { deny: ['AskUserQuestion'] },
  hooks: { StopFailure: [OURS] },
};

const guarded = (document: unknown, guard = GUARD) => {
  const text = withGuard(document === null ? null : JSON.stringify(document), guard);
  return text === null ? null : JSON.parse(text);
};

describe('what settings.json has to say', () => {
  it('is there from the first stage on, and written once', () => {
    expect(guarded(null)).toEqual(FRESH);
    expect(guarded(FRESH)).toBeNull();
  });

  it('is added to the settings that are there', () => {
    const theirs = {
      model: 'opus',
      tui: 'fullscreen',
      autoContinueAtUsageLimit: true,
      permissions: { allow: ['Bash'], deny: ['WebFetch'] },
      hooks: {
        Stop: [{ hooks: [] }],
        StopFailure: [{ matcher: 'rate_limit', hooks: [{ type: 'command', command: 'say' }] }],
      },
    };
    expect(guarded(theirs)).toEqual({
      ...theirs,
      permissions: { allow: ['Bash'], deny: ['WebFetch', 'AskUserQuestion'] },
      hooks: { Stop: theirs.hooks.Stop, StopFailure: [...theirs.hooks.StopFailure, OURS] },
    });
  });

  it('names the script where it is now', () => {
    const before = {
      ...FRESH,
      hooks: { StopFailure: [{ hooks: [{ type: 'command', command: `/old${HOOK}` }] }] },
    };
    expect(guarded(before)?.hooks).toEqual({ StopFailure: [OURS] });
    const odd = guarded(null, { ...GUARD, hook: `/it's here${HOOK}` });
    expect(odd.hooks.StopFailure[0].hooks[0].command).toBe(`'/it'\\''s here${HOOK}'`);
  });

  it('forbids the question unless it is allowed', () => {
    expect(guarded(FRESH, { ...GUARD, mayAsk: true })?.permissions).toEqual({ deny: [] });
    expect(guarded({ ...FRESH, permissions: undefined }, { ...GUARD, mayAsk: true })).toBeNull();
  });

  it.each(['[]', '"text"', '{"half', ''])('does not touch %j, which it cannot read', (text) => {
    expect(withGuard(text, GUARD)).toBeNull();
  });
});

describe('claude’s state', () => {
  function state(initial: Record<string, string>) {
    const files = fakeFiles({ '/repos/demo/.git/HEAD': 'x', ...initial });
    const { lines, log } = fakeLog();
    const keep = keepClaudeSeeded(
      { clock: fakeClock(), files, log },
      { directory: '/c', repos: '/repos', guard: () => GUARD },
    );
    const json = (name: string) => JSON.parse(files.read(`/c/${name}`) ?? '');
    return { files, keep, lines, json };
  }

  it('trusts each clone, also one that comes later', () => {
    const { files, keep, json } = state({});
    expect(keep()).toBeNull();
    expect(Object.keys(json('.claude.json').projects)).toEqual(['/repos/demo']);
    expect(json('settings.json')).toEqual({ skipDangerousModePermissionPrompt: true, ...FRESH });
    files.write('/repos/second/.git/HEAD', 'x');
    keep();
    expect(Object.keys(json('.claude.json').projects)).toEqual(['/repos/demo', '/repos/second']);
  });

  it('leaves alone what claude drops at each start', () => {
    const { files, keep } = state({});
    keep();
    const dropped = '{"hasCompletedOnboarding":true,"numStartups":2}';
    files.write('/c/.claude.json', dropped);
    keep();
    expect(files.read('/c/.claude.json')).toBe(dropped);
  });

  it.each(['', '{"half', '[]'])('that is damaged (%j) is kept beside a new one', (damaged) => {
    const { files, keep, lines, json } = state({});
    keep();
    files.write('/c/.claude.json', damaged);
    files.write('/c/settings.json', damaged);
    expect(keep()).toBeNull();
    expect(json('.claude.json').projects).toMatchObject({ '/repos/demo': { hasTrustDialogAccepted: true } });
    expect(json('settings.json').hooks).toEqual(FRESH.hooks);
    for (const name of ['.claude.json', 'settings.json'])
      expect(files.read(`/c/${name}.damaged-2026-11-22T151215Z`)).toBe(damaged);
    expect(lines).toEqual([
      expect.stringMatching(/^\/c\/settings.json was damaged .* kept as .*, created a new one$/),
      expect.stringMatching(/^\/c\/\.claude\.json was damaged/),
    ]);
  });

  it('that cannot be written is an obstacle, said once, until it can', () => {
    const { files, keep, lines } = state({});
    const { write } = files;
    Object.assign(files, {
      write() {
        throw new Error('ENOSPC: no space left on device');
      },
    });
    for (let look = 0; look < 3; look += 1) {
      expect(keep()).toBe(
        "claude's state in /c cannot be written: ENOSPC: no space left on device; see: df -h /c",
      );
    }
    expect(lines).toHaveLength(1);
    Object.assign(files, { write });
    expect(keep()).toBeNull();
  });
});
