/**
 * How wide text is on a terminal.
 *
 * Not the package string-width: its table of emoji takes 20 ms to compile at every start, more than anything else that a
 * command loads, and it throws at a few characters (U+0600).
 */

const PLAIN = /^[ -~]*$/;

/** What takes no room of its own: accents, joiners, control characters. */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{M}\p{Cs}]/gu;

/** Emoji and the scripts that fill two columns (Unicode TR11), in their half-width forms one. */
const WIDE =
  /^(?![\u1160-\u11ff\u303f\u3248-\u324f\ud7b0-\ud7ff\uff61-\uffdf])[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Yi}\u3000-\u33ff\ufe30-\ufe6b\uff01-\uffe6\u{1f200}-\u{1f265}]/u;

/** Makes a picture of the character before it. */
const PICTURE = '\ufe0f';

let segmenter: Intl.Segmenter | undefined;

/** The number of columns that a text takes, which has no escape sequences in it. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const grapheme of graphemesOf(text)) width += widthOf(grapheme);
  return width;
}

/**
 * As much of the beginning of a text as fits, with `…` where something is left out. What lies behind the cut is not looked at:
 * the text may be as long as a worker pleases.
 *
 * @param width columns; at least one
 */
export function cutToWidth(text: string, width: number): string {
  if (text.length <= width && PLAIN.test(text)) return text;
  let used = 0;
  let at = 0;
  // Where the text ends if it has to be cut: there must be room for the ellipsis.
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
 * The characters of a text as people count them. Chunk by chunk: each step of Intl.Segmenter takes time that grows with the
 * text it was given (Node 20: 9 µs within 6,000 characters, 45 µs within 60,000).
 */
function* graphemesOf(text: string): Generator<string> {
  segmenter ??= new Intl.Segmenter();
  for (let start = 0; start < text.length; ) {
    const chunk = text.slice(start, start + CHUNK);
    const segments = Array.from(segmenter.segment(chunk), ({ segment }) => segment);
    // The last one may go on behind the chunk.
    if (start + chunk.length < text.length && segments.length > 1) segments.pop();
    for (const segment of segments) {
      yield segment;
      start += segment.length;
    }
  }
}
