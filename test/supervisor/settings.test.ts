import { describe, expect, it } from 'vitest';
import { createSettings, parseSettings } from '../../image/supervisor/settings.ts';
import { DEFAULT_SETTINGS } from '../../scripts/lib/contract.ts';
import { fakeFiles, fakeLog } from './fakes.ts';

describe('settings.json', () => {
  it('is optional, and so is each of its fields', () => {
    expect(parseSettings(null)).toEqual(DEFAULT_SETTINGS);
    expect(parseSettings('{}')).toEqual(DEFAULT_SETTINGS);
    expect(parseSettings('{"schema":1,"orchestrator":{"intervalSeconds":5},"new":{"field":1}}')).toEqual({
      ...DEFAULT_SETTINGS,
      orchestrator: { enabled: true, intervalSeconds: 5 },
    });
    expect(parseSettings('{"docker":{"registryMirrors":["https://m"],"mtu":1400}}').docker).toEqual({
      ...DEFAULT_SETTINGS.docker,
      registryMirrors: ['https://m'],
      mtu: 1400,
    });
  });

  it.each([
    ['{', 'not JSON'],
    [
      '{"orchestrator":{"intervalSeconds":0}}',
      'orchestrator.intervalSeconds is 0, expected a number of at least 1',
    ],
    ['{"orchestrator":{"intervalSeconds":"5"}}', 'orchestrator.intervalSeconds is not a number'],
    ['{"shutdown":{"waitForStageSeconds":-1}}', 'shutdown.waitForStageSeconds is -1'],
  ])('%s is refused', (text, message) => expect(() => parseSettings(text)).toThrow(message));

  it('half edited, what held so far goes on holding, and it is said once', () => {
    const files = fakeFiles({ '/settings.json': '{"orchestrator":{"intervalSeconds":5}}' });
    const { lines, log } = fakeLog();
    const settings = createSettings('/settings.json', { files, log });
    const interval = () => settings().orchestrator.intervalSeconds;
    expect(interval()).toBe(5);
    files.write('/settings.json', '{"orchestrator":{"interval');
    expect([interval(), interval()]).toEqual([5, 5]);
    expect(lines).toEqual(['settings.json is not JSON; keeping the previous settings']);
    files.write('/settings.json', '{"orchestrator":{"intervalSeconds":7}}');
    expect(interval()).toBe(7);
  });
});
