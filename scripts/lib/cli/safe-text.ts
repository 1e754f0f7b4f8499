/**
 * Which characters may go to a terminal, whoever wrote them. A control sequence can move the cursor over what was printed
 * before, set the title, write the clipboard, or make the terminal type an answer; a bidirectional control makes text read
 * as another. ECMA-48 and xterm's ctlseqs name the sequences; Unicode TR36 and CVE-2021-42574 the bidirectional ones.
 *
 * Every pattern here takes linear time: what a sequence may hold never includes what begins another.
 */

/** Nothing in it could be anything but itself. */
const PLAIN = /^[\n\t -~]*$/;

/** What a terminal obeys. Of a sequence that does not end only the beginning, so that nothing can hide behind it. */
const SEQUENCES = [
  // Strings up to their end: of OSC (titles, links, the clipboard), DCS, SOS, PM and APC.
  /(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\0-\u0008\n-\u001f\u007f-\u009f]*(?:\u0007|\u001b\\|\u009c)/,
  // CSI, among them SGR.
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]/,
  // The other escape sequences, and the beginnings of those that were not ended.
  /\u001b[ -/]{0,3}[0-~]/,
]
  .map(({ source }) => source)
  .join('|');

const SEQUENCE = new RegExp(SEQUENCES, 'g');

/** What a terminal obeys instead of showing it, and what it does not show at all. */
const UNSAFE = new RegExp(
  [
    SEQUENCES,
    '(?![\\n\\t])\\p{Cc}',
    '[\\p{Zl}\\p{Zp}]',
    // Bidirectional controls, zero-width characters, tags. Variation selectors choose a picture and stay.
    '(?![\\u200c\\u200d\\ufe0e\\ufe0f])\\p{Default_Ignorable_Code_Point}',
    // Joiners stay where scripts and emoji need them: between two characters beyond ASCII.
    '(?<![^\\0-\\u007f\\u200c\\u200d])[\\u200c\\u200d]',
    '[\\u200c\\u200d](?![^\\0-\\u007f\\u200c\\u200d])',
  ].join('|'),
  'gu',
);

/** Select Graphic Rendition: colours and attributes. More parameters than this no program gives. */
const SGR = /^\u001b\[(\d{0,3}(?:;\d{0,3}){0,31})m$/;
const RESET = '\u001b[0m';

/** Text without escape sequences; single control characters stay. */
export function withoutSequences(text: string): string {
  return PLAIN.test(text) ? text : text.replaceAll(SEQUENCE, '');
}

/** Text without control and escape sequences and without invisible characters; line breaks and tabs stay. */
export function withoutControls(text: string): string {
  return PLAIN.test(text) ? text : text.replaceAll(UNSAFE, '');
}

/**
 * The same, but colours and attributes stay, without the one that conceals. What is still on at the end is reset there,
 * before the last line breaks, so that it colours nothing of what others write.
 */
export function withColours(text: string): string {
  if (PLAIN.test(text)) return text;
  const on = new Set<string>();
  const safe = text.replaceAll(UNSAFE, (sequence) => {
    const given = SGR.exec(sequence)?.[1];
    return given === undefined ? '' : rendition(given, on);
  });
  if (on.size === 0) return safe;
  let end = safe.length;
  while (safe[end - 1] === '\n') end--;
  return `${safe.slice(0, end)}${RESET}${safe.slice(end)}`;
}

/**
 * JSON in which everything that a terminal would not show as itself is escaped; it says the same.
 *
 * @param json as JSON.stringify makes it
 */
export function escapeControls(json: string): string {
  if (PLAIN.test(json)) return json;
  return json.replaceAll(
    /(?!\n)\p{Cc}|[\p{Zl}\p{Zp}\p{Cf}]|\p{Default_Ignorable_Code_Point}/gu,
    (character) =>
      Array.from(
        { length: character.length },
        (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
      ).join(''),
  );
}

/** Attributes, each with the parameter that ends it. */
const ENDED_BY: Readonly<Record<string, string>> = {
  1: '22',
  2: '22',
  3: '23',
  4: '24',
  5: '25',
  6: '25',
  7: '27',
  9: '29',
  21: '24',
  53: '55',
};
const CONCEAL = 8;

/**
 * One SGR sequence, without what conceals.
 *
 * @param on what ends the attributes that are on; brought up to date
 */
function rendition(given: string, on: Set<string>): string {
  const parameters = given.split(';');
  const kept: string[] = [];
  for (let at = 0; at < parameters.length; at++) {
    const parameter = parameters[at] || '0';
    const code = Number(parameter);
    if (code === CONCEAL) continue;
    if (code === 38 || code === 48 || code === 58) {
      // A colour in several parameters, in which an 8 is no attribute.
      const length = { '5': 3, '2': 5 }[parameters[at + 1] ?? ''];
      if (length === undefined || at + length > parameters.length) break;
      kept.push(...parameters.slice(at, at + length));
      on.add(String(code + 1));
      at += length - 1;
      continue;
    }
    kept.push(parameter);
    if (code === 0) on.clear();
    else if (!on.delete(parameter)) {
      const end = endOf(code);
      if (end !== null) on.add(end);
    }
  }
  return kept.length === 0 ? '' : `\u001b[${kept.join(';')}m`;
}

/** What ends an attribute or a colour; null for a parameter that ends one. */
function endOf(code: number): string | null {
  if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) return '39';
  if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) return '49';
  if (/^(?:2[2-9]|[345]9|5[45])$/.test(String(code))) return null;
  return ENDED_BY[code] ?? 'anything else';
}
