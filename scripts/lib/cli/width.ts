/**
 * The width of text on a terminal.
 *
 * Not the package string-width: its emoji table takes 20 ms to compile at every start, more than anything else a command
 * loads, and it throws for a few characters (U+0600).
 */

/**
 * Text of which every character is one column, and no grapheme has two characters: ASCII, Latin letters, frames and blocks,
 * and the marks in our own output and claude's. Most panes consist of these, and cutting graphemes is slow.
 */
const PLAIN = /^[ -~\u00a1-\u00ac\u00ae-\u02ff\u2500-\u259f‘’“”•…─→↑↓❯●]*$/;

/** Characters without a width: accents, joiners, control characters. */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{M}\p{Cs}]/gu;

/** Emoji and scripts that take two columns (Unicode TR11); their half-width forms take one. */
const WIDE =
  /^(?![\u1160-\u11ff\u303f\u3248-\u324f\ud7b0-\ud7ff\uff61-\uffdf])[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Yi}\u3000-\u33ff\ufe30-\ufe6b\uff01-\uffe6\u{1f200}-\u{1f265}]/u;

/** Turns the preceding character into an emoji. */
const PICTURE = '\ufe0f';

let segmenter: Intl.Segmenter | undefined;

/** The number of columns of a text without escape sequences. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const grapheme of graphemesOf(text)) width += widthOf(grapheme);
  return width;
}

/**
 * As much of the beginning of a text as fits, with `…` where something is cut off. The rest is not read: a worker may send a
 * text of any length.
 *
 * @param width columns; at least one
 */
export function cutToWidth(text: string, width: number): string {
  if (PLAIN.test(text.slice(0, width + 1)))
    return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
  let used = 0;
  let at = 0;
  // Where to cut if necessary: there must be room for the ellipsis.
  let end = 0;
  for (const grapheme of graphemesOf(text)) {
    used += widthOf(grapheme);
    at += grapheme.length;
    if (used > width) return `${text.slice(0, end)}…`;
    if (used < width) end = at;
  }
  return text;
}

function widthOf(grapheme: string): number {
  const visible = grapheme.replaceAll(INVISIBLE, '');
  if (visible === '') return 0;
  return WIDE.test(visible) || grapheme.includes(PICTURE) ? 2 : 1;
}

/** Longer than any grapheme that means something. */
const CHUNK = 512;

/**
 * The graphemes of a text. Chunk by chunk, since each step of Intl.Segmenter takes longer the longer its text is (Node 20:
 * 9 µs within 6,000 characters, 45 µs within 60,000).
 */
function* graphemesOf(text: string): Generator<string> {
  segmenter ??= new Intl.Segmenter();
  for (let start = 0; start < text.length; ) {
    const chunk = text.slice(start, start + CHUNK);
    const segments = Array.from(segmenter.segment(chunk), ({ segment }) => segment);
    // The last one may continue in the next chunk.
    if (start + chunk.length < text.length && segments.length > 1) segments.pop();
    for (const segment of segments) {
      yield segment;
      start += segment.length;
    }
  }
}
