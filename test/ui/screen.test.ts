import { describe, expect, it, vi } from 'vitest';
import { painter } from '../../scripts/lib/cli/output.ts';
import { displayWidth } from '../../scripts/lib/cli/width.ts';
import { type Event, start, visible } from '../../scripts/lib/ui/model.ts';
import { inAscii, isUnicode, screen } from '../../scripts/lib/ui/screen.ts';
import { fleet } from './samples.ts';

const look = (columns: number, rows: number) => ({
  size: { columns, rows },
  now: new Date(2026, 10, 28, 12, 4, 11),
  paint: painter({ isTTY: false }, {}),
});
const key = (name: string): Event => ({ type: 'key', key: name });

describe('the screen', () => {
  it.each(
    [
      [80, 24],
      [200, 50],
      [40, 10],
      [20, 5],
      [10, 3],
      [8, 2],
      [1, 1],
      [300, 100],
    ].flatMap(([columns = 0, rows = 0]) => [
      [columns, rows, fleet()] as const,
      [columns, rows, fleet(key('end'))] as const,
      [columns, rows, fleet(key('?'))] as const,
      [columns, rows, fleet(key('/'), key('x'))] as const,
      [columns, rows, start([])] as const,
    ]),
  )('fits into %i×%i', (columns, rows, model) => {
    const lines = screen(model, look(columns, rows));
    expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows - 1));
    expect(lines.filter((line) => displayWidth(line) > columns)).toEqual([]);
  });

  it('says how many workers are hidden, and always shows the selected one', () => {
    const lines = screen(fleet(...Array.from({ length: 30 }, () => key('down'))), look(80, 24));
    expect(lines[0]).toBe('50 workers · 5 need you · 12:04:11 · ? help · q quits');
    expect(lines.filter((line) => line.startsWith('❯'))).toEqual([expect.stringContaining('worker-30 ')]);
    const shown = lines.filter((line) => /^[❯ ] worker-/.test(line)).length;
    expect(lines).toContain(`… ${50 - shown} more workers`);
  });

  it('has rows to its end where there is no room for a pane', () => {
    const lines = screen(fleet(), look(40, 10));
    expect(lines).toHaveLength(9);
    expect(lines.filter((line) => line.trim() === '' || line.startsWith('──'))).toEqual([]);
  });

  it('marks the selected one also before it has answered', () => {
    expect(screen(start(['a', 'b']), look(80, 24))).toContain('❯ a  asking…');
  });

  it('has the end of the selected pane below the list', () => {
    const lines = screen(fleet(), look(80, 24));
    const at = lines.findIndex((line) => line.startsWith('── worker-0 23-qa-1 (2 sessions) ──'));
    expect(lines.slice(at + 1, -1).at(-1)).toMatch(/^line 99 /);
    expect(lines.at(-1)).toMatch(/^Enter attach · /);
  });

  it('shows the filter while it is typed, and that there is one', () => {
    expect(screen(fleet(key('/'), key('3')), look(80, 24)).at(-1)).toBe('/3_');
    expect(screen(fleet(key('/'), key('3'), key('return')), look(80, 24)).at(-1)).toMatch(/^\/3 · Enter/);
    expect(screen(fleet(key('/'), key('!')), look(80, 24))).toContain('no worker matches !');
  });

  it('cuts no graphemes of what most workers say, which would be most of its work', () => {
    const segment = vi.spyOn(Intl.Segmenter.prototype, 'segment');
    const plain = visible(fleet()).flatMap(({ rows }) =>
      rows.map((one) => ({ ...one, cause: 'silent 11m' })),
    );
    const rows = plain.map((one): Event => ({ type: 'row', row: one }));
    const lines = screen(fleet(...rows), look(200, 50));
    expect(lines.length).toBe(49);
    expect(segment).not.toHaveBeenCalled();
    segment.mockRestore();
  });
});

describe('a terminal without Unicode', () => {
  it('gets the same in ASCII, as wide as it was', () => {
    expect(inAscii('❯ a · … ── 界é')).toBe('> a - ~ -- ???');
    const lines = screen(fleet(), look(80, 24)).map(inAscii);
    expect(lines.filter((line) => /[^\0-\u007f]/.test(line))).toEqual([]);
  });

  it.each([
    [{ LANG: 'C.UTF-8' }, true],
    [{ LANG: 'en_US.utf8' }, true],
    [{ LANG: 'C' }, false],
    [{}, false],
    [{ LANG: 'C.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'C', LC_CTYPE: 'C.UTF-8' }, true],
    [{ LANG: 'C.UTF-8', LC_ALL: '' }, true],
  ])('is told by the locale: %j', (env, unicode) => {
    expect(isUnicode(env)).toBe(unicode);
  });
});
