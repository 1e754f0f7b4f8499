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

let graphemes: Intl.Segmenter | undefined;

/** The number of columns that a text takes, which has no escape sequences in it. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  graphemes ??= new Intl.Segmenter();
  let width = 0;
  for (const { segment } of graphemes.segment(text)) {
    const visible = segment.replaceAll(INVISIBLE, '');
    if (visible !== '') width += WIDE.test(visible) || segment.includes(PICTURE) ? 2 : 1;
  }
  return width;
}
