/**
 * Takes tokens out of what a pane shows. `factory` types the token of the agent into the pane when it finds one, and a
 * token at the edge of the pane goes on in the next line, perhaps indented or inside a frame, where a search line by line
 * would miss it.
 */

/** What tokens of the services we use look like, what stands behind a variable that names one, and private keys. */
const SECRET =
  /(gh[pousr]_|github_pat_|sk-ant-)[\w-]{6,}|((?:TOKEN|SECRET|PASSWORD|API_KEY)=["']?)[^\s"'=]{6,}|(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\w+/=]{6,}/g;

/** What a terminal does not show: escape sequences (of titles and links, of colours, of character sets), control characters. */
const INVISIBLE =
  /\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b\[[0-?]*[ -/]*[@-~]?|\u001b[ -/]*[0-~]?|(?![\n\t])\p{Cc}/gu;

/** What a program may draw around the lines of a text. */
const FRAME = /[|\u2500-\u259f]/;

/**
 * @param text lines of a pane, with or without escape sequences
 * @returns the same text, each character of a token replaced by `*`; lengths and line breaks stay, so that a screen keeps
 *   its layout. A word at the beginning of the line after a token may be masked too: better one word too many.
 */
export function redact(text: string): string {
  const shown = pick(text, visibleRanges(text));
  const { ranges, breaks } = joinLines(shown.text);
  const joined = pick(shown.text, ranges);
  let masked = '';
  let done = 0;
  for (const index of secretPositions(joined.text, breaks)) {
    const at = shown.origin[joined.origin[index] ?? 0] ?? 0;
    masked += `${text.slice(done, at)}*`;
    done = at + 1;
  }
  return masked + text.slice(done);
}

type Range = readonly [from: number, to: number];

/** Some ranges of a text as one text, and for each of its characters the place it came from. */
function pick(text: string, ranges: readonly Range[]): { text: string; origin: Uint32Array } {
  const origin = new Uint32Array(ranges.reduce((length, [from, to]) => length + to - from, 0));
  let filled = 0;
  for (const [from, to] of ranges) for (let at = from; at < to; at++) origin[filled++] = at;
  return { text: ranges.map(([from, to]) => text.slice(from, to)).join(''), origin };
}

function visibleRanges(text: string): Range[] {
  const ranges: Range[] = [];
  let from = 0;
  for (const { 0: sequence, index } of text.matchAll(INVISIBLE)) {
    ranges.push([from, index]);
    from = index + sequence.length;
  }
  return [...ranges, [from, text.length]];
}

/** A line break that was left out since a word may go on behind it: where, and how far right the line before it reaches. */
interface Break {
  readonly at: number;
  readonly column: number;
}

/** The contents of the lines, one directly behind the other where a line is full, with its line break where it is not. */
function joinLines(text: string): { ranges: Range[]; breaks: Break[] } {
  const ranges: Range[] = [];
  const breaks: Break[] = [];
  let start = 0;
  let length = 0;
  for (const line of text.split('\n')) {
    const { from, to, full } = contentOf(line);
    ranges.push([start + from, start + to]);
    length += to - from;
    if (full) breaks.push({ at: length, column: to });
    else if (start + line.length < text.length) {
      ranges.push([start + line.length, start + line.length + 1]);
      length++;
    }
    start += line.length + 1;
  }
  return { ranges, breaks };
}

/** Where in a line the text is, without indentation and frame, and whether it reaches the line's end, or its frame. */
function contentOf(line: string): { from: number; to: number; full: boolean } {
  const blank = (at: number) => /\s/.test(line[at] ?? '');
  const frame = (at: number) => FRAME.test(line[at] ?? '');
  let from = 0;
  while (from < line.length && (blank(from) || frame(from))) from++;
  let end = line.length;
  while (end > from && blank(end - 1)) end--;
  let to = end;
  while (to > from && frame(to - 1)) to--;
  const framed = to < end;
  const edge = framed ? to : line.length;
  while (to > from && blank(to - 1)) to--;
  return { from, to, full: to > from && edge - to <= (framed ? 1 : 0) };
}

/** The places of all characters of secrets, in order. */
function* secretPositions(text: string, breaks: readonly Break[]): Generator<number> {
  let next = 0;
  SECRET.lastIndex = 0;
  for (let match = SECRET.exec(text); match !== null; match = SECRET.exec(text)) {
    const [whole, ...introductions] = match;
    const from = match.index + (introductions.find((word) => word !== undefined)?.length ?? 0);
    while ((breaks[next]?.at ?? text.length) <= from) next++;
    const to = Math.min(match.index + whole.length, endOfToken(breaks, next));
    for (let at = from; at < to; at++) yield at;
    // What was taken for a part of this one may be the next.
    SECRET.lastIndex = to;
  }
}

/**
 * Where a token that begins before the break `first` ends at the latest. A token wraps at the edge: every line it fills
 * reaches as far as the one it began in; in one that does not, the rest of the line is something else.
 */
function endOfToken(breaks: readonly Break[], first: number): number {
  const edge = breaks[first]?.column ?? 0;
  let last = first + 1;
  while (last < breaks.length && (breaks[last]?.column ?? 0) >= edge) last++;
  return breaks[last]?.at ?? Number.POSITIVE_INFINITY;
}
