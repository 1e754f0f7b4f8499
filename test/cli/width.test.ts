import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { displayWidth } from '../../scripts/lib/cli/width.ts';

describe('the width of text', () => {
  it.each<[text: string, width: number]>([
    ['', 0],
    ['worker-1', 8],
    ['é', 1],
    ['e\u0301', 1],
    ['日本語', 6],
    ['한글', 4],
    ['ｶﾅ', 2],
    ['Ｆ', 2],
    ['…', 1],
    ['●', 1],
    ['👍🏽', 2],
    ['👩‍👩‍👧', 2],
    ['🇩🇪', 2],
    ['❤', 1],
    ['❤️', 2],
    ['1️⃣', 2],
    ['a\u200bb', 2],
    ['\u0600', 0],
  ])('%j: %d', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  it('is what string-width says of every letter, sign and emoji that somebody may write today', () => {
    const assigned = /^[\p{L}\p{N}\p{P}\p{S}]$/u;
    // Tangut, Khitan, Nüshu; signs of the I Ching and the Tai Xuan Jing; parts of ideographs; half a flag.
    const odd =
      /[\p{Script=Tangut}\p{Script=Khitan_Small_Script}\p{Script=Nushu}\u{16fe0}-\u{16fe1}\u02ea-\u02eb\u2329-\u232a\u2630-\u2637\u268a-\u268f\u2ff0-\u2fff\u4dc0-\u4dff\ufe10-\ufe19\u{1d300}-\u{1d376}\p{Regional_Indicator}]/u;
    const characters = Array.from({ length: 0x20000 }, (_, code) => String.fromCodePoint(code)).filter(
      (character) => assigned.test(character) && !odd.test(character),
    );
    expect(characters.length).toBeGreaterThan(50_000);
    expect(characters.filter((text) => displayWidth(text) !== stringWidth(text))).toEqual([]);
  });
});
