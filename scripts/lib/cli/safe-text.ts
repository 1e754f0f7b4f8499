/**
 * Which characters may go to a terminal, wherever they come from. A control sequence can overwrite earlier output, set the
 * title, write the clipboard, or make the terminal send an answer; a bidirectional control makes text look like different
 * text. ECMA-48 and xterm's ctlseqs list the sequences; Unicode TR36 and CVE-2021-42574 the bidirectional ones.
 *
 * Every pattern here takes linear time: the body of a sequence never includes the start of another one.
 */

/** Fast path: text of only these characters needs no filter. */
const PLAIN = /^[\n\t -~]*$/;

/** Control sequences. Of an unterminated one only the start matches, so that no text can hide behind it. */
const SEQUENCES = [
  // Strings up to their terminator: OSC (titles, links, the clipboard), DCS, SOS, PM and APC.
  /(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\0-\u0008\n-\u001f\u007f-\u009f]*(?:\u0007|\u001b\\|\u009c)/,
  // CSI, among them SGR.
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]/,
  // The other escape sequences, and the starts of unterminated ones.
  /\u001b[ -/]{0,3}[0-~]/,
]
  .map(({ source }) => source)
  .join('|');

const SEQUENCE = new RegExp(SEQUENCES, 'g');

/** Characters that a terminal acts on or does not show at all. */
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

/** Select Graphic Rendition: colours and attributes. No program sends more parameters than this. */
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
 * The same, but keeps colours and attributes, except "conceal". Those still on at the end are reset before the final line
 * breaks, so that they do not affect later output.
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
 * JSON with everything escaped that a terminal would not show as it is; its value stays the same.
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
 * One SGR sequence, without "conceal".
 *
 * @param on the parameters that end the attributes now on; updated
 */
function rendition(given: string, on: Set<string>): string {
  const parameters = given.split(';');
  const kept: string[] = [];
  for (let at = 0; at < parameters.length; at++) {
    const parameter = parameters[at] || '0';
    const code = Number(parameter);
    if (code === CONCEAL) continue;
    if (code === 38 || code === 48 || code === 58) {
      // A colour of several parameters, in which an 8 is not an attribute.
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
