/** Pictures of a terminal as SVG, in the colours of a light and of a dark page. Pure. */
import { displayWidth } from '../../scripts/lib/cli/width.ts';
import type { Size } from '../support/terminal.ts';

const CELL = { width: 8.4, height: 19 };
const MARGIN = 16;

export const THEMES = {
  light: {
    ground: '#ffffff',
    text: '#24292f',
    faint: '#6e7781',
    frame: '#d0d7de',
    red: '#cf222e',
    green: '#116329',
    yellow: '#7d4e00',
    blue: '#0969da',
  },
  dark: {
    ground: '#0d1117',
    text: '#e6edf3',
    faint: '#8b949e',
    frame: '#30363d',
    red: '#ff7b72',
    green: '#3fb950',
    yellow: '#d29922',
    blue: '#58a6ff',
  },
} as const;

export type Theme = (typeof THEMES)[keyof typeof THEMES];

/** @param css rules besides those for the text; @param body elements, as {@link textAt} and {@link drawn} make them */
export function picture(
  title: string,
  size: Size,
  { ground, frame }: Theme,
  css: string,
  body: string,
): string {
  const width = Math.ceil(size.columns * CELL.width + 2 * MARGIN);
  const height = size.rows * CELL.height + 2 * MARGIN;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>${escaped(title)}</title>
<style>
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.b { font-weight: bold; }
${css}</style>
<rect width="${width - 1}" height="${height - 1}" x="0.5" y="0.5" rx="8" fill="${ground}" stroke="${frame}"/>
${body}
</svg>
`;
}

/** Text in a row of the terminal, without colours. */
export function textAt(text: string, row: number, colour: string, { column = 0, bold = false } = {}): string {
  if (text.trim() === '') return '';
  const style = bold ? ' class="b"' : '';
  // Whatever the font, what follows in the row and what is below are at their columns.
  const length = ` textLength="${wide(displayWidth(text))}"`;
  return `<text x="${wide(column, MARGIN)}" y="${MARGIN + row * CELL.height + 14}"${length} fill="${colour}"${style} xml:space="preserve">${escaped(text)}</text>`;
}

/** The lines of a screen with their colours, as tmux prints them (`capture-pane -e`). */
export function drawn(lines: readonly string[], theme: Theme): string {
  return lines.flatMap((line, row) => runsOf(line).map((run) => runAt(run, row, theme))).join('\n');
}

/** What the colours of a terminal are used for here, by the number in its control sequence. */
const COLOURS: Readonly<Record<number, 'red' | 'green' | 'yellow'>> = {
  31: 'red',
  32: 'green',
  33: 'yellow',
};

interface Style {
  readonly colour: 'red' | 'green' | 'yellow' | null;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly inverse: boolean;
}

interface Run extends Style {
  readonly column: number;
  readonly text: string;
}

const PLAIN: Style = { colour: null, bold: false, dim: false, inverse: false };

/** The parts of a line, each in one style. */
export function runsOf(line: string): Run[] {
  const runs: Run[] = [];
  let style = PLAIN;
  let column = 0;
  for (const [, codes, text = ''] of line.matchAll(/\u001b\[([\d;]*)m|([^\u001b]+)/g)) {
    if (codes !== undefined) style = codes.split(';').map(Number).reduce(styled, style);
    else {
      runs.push({ ...style, column, text });
      column += displayWidth(text);
    }
  }
  return runs;
}

function styled(style: Style, code: number): Style {
  switch (code) {
    case 0:
      return PLAIN;
    case 1:
      return { ...style, bold: true };
    case 2:
      return { ...style, dim: true };
    case 7:
      return { ...style, inverse: true };
    case 22:
      return { ...style, bold: false, dim: false };
    case 27:
      return { ...style, inverse: false };
    case 49:
      // The ground is never coloured.
      return style;
    case 39:
      return { ...style, colour: null };
    default: {
      const colour = COLOURS[code];
      if (colour === undefined) throw new Error(`pictures have no style for the control sequence ${code}`);
      return { ...style, colour };
    }
  }
}

function runAt({ column, text, colour, bold, dim, inverse }: Run, row: number, theme: Theme): string {
  const fill = colour === null ? (dim ? theme.faint : theme.text) : theme[colour];
  if (!inverse) return textAt(text, row, fill, { column, bold });
  const width = wide(displayWidth(text));
  const block = `<rect x="${wide(column, MARGIN)}" y="${MARGIN + row * CELL.height}" width="${width}" height="${CELL.height}" fill="${fill}"/>`;
  return block + textAt(text, row, theme.ground, { column, bold });
}

/** As wide as so many columns, and a margin. */
function wide(columns: number, margin = 0): string {
  return String(Number((margin + columns * CELL.width).toFixed(1)));
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
