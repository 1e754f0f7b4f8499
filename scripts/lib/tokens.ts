/**
 * Finds tokens, passwords and private keys in text, however they are written down. Shared with the supervisor, as contract.ts
 * is: one table of what a secret looks like, for what a command prints, for notices and for recordings.
 *
 * It guards against accidents, such as a token in an error or on a pane. What is written so that it is not found is not found.
 *
 * A text is looked at the way a reader would read it: without colours and invisible characters, with escapes decoded, and with
 * words put together again that a terminal has wrapped. Every pattern takes linear time: repetitions are bounded, or what
 * they repeat cannot begin another match.
 *
 * Sources: prefixes and lengths from the vendors' pages and gitleaks' rules. GitHub: docs "About authentication to GitHub",
 * and the changelog of 2026-05-15 for installation tokens, `ghs_APPID_JWT`, about 520 characters with two dots. GitLab: docs
 * "Token overview". Slack: docs "Tokens". AWS: IAM "Unique identifiers". Google: docs of GitHub's secret scanning partners.
 */

export interface MaskOptions {
  /**
   * Whether a terminal may have wrapped the text, so that a token goes on in the next line. Not in what a command prints
   * itself: there the next line may be another worker's.
   */
  readonly wrapped?: boolean;
}

/**
 * @param known secrets that are to be found whatever they look like (see {@link knownSecrets})
 * @returns the same text, each character of a secret replaced by `*`, but for the prefix of its kind. Lengths and line breaks
 *   stay, so that a screen keeps its layout, and JSON stays JSON: an escape is replaced as a whole or not at all, a quotation
 *   mark never. A word at the beginning of the line after a secret may be masked too: better one word too many.
 */
export function maskTokens(
  text: string,
  known: readonly string[] = [],
  { wrapped = true }: MaskOptions = {},
): string {
  return starred(text, secretParts(text, known, wrapped));
}

/**
 * The values of a Secret to search for literally: each line separately, since a key has many. A word of fewer than 8
 * characters could be any word; a line of a value with several lines counts from 16 characters on, as lines of a key have.
 */
export function knownSecrets(values: readonly string[]): string[] {
  return values.flatMap((value) => {
    const lines = value
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    const least = lines.length > 1 ? 16 : 8;
    return lines.filter((line) => line.length >= least && !line.startsWith('-----'));
  });
}

export type Range = readonly [from: number, to: number];

// --- what a secret looks like -------------------------------------------------------------------------------------------

/**
 * Tokens that one knows by what they begin with: the beginnings, at one of which the pattern matches; how long they are where
 * that is always the same; and whether they are found in the middle of a word too, since nothing else reads like them.
 */
interface Shape {
  readonly begins: readonly string[];
  readonly shape: RegExp;
  readonly length?: number;
  readonly anywhere?: boolean;
}

const SHAPES: readonly Shape[] = [
  { begins: ['ghs_'], shape: /ghs_[\w-]{6,}(?:\.[\w-]{1,2000}){1,2}/g, anywhere: true },
  {
    begins: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'],
    shape: /gh[pousr]_[\w-]{6,}/g,
    length: 40,
    anywhere: true,
  },
  { begins: ['github_pat_'], shape: /github_pat_[\w-]{6,}/g, length: 93, anywhere: true },
  { begins: ['sk-ant-'], shape: /sk-ant-[\w-]{6,}/g, length: 108, anywhere: true },
  { begins: ['eyJ'], shape: /eyJ[\w-]{6,}\.eyJ[\w-]{6,}(?:\.[\w-]*)?/g },
  { begins: ['npm_'], shape: /npm_[A-Za-z0-9]{30,}/g, length: 40 },
  { begins: ['AKIA', 'ASIA'], shape: /A[KS]IA[A-Z0-9]{16}/g, length: 20 },
  { begins: ['AIza'], shape: /AIza[\w-]{30,}/g, length: 39 },
  { begins: ['ya29.'], shape: /ya29\.[\w-]{10,}/g },
  { begins: ['GOCSPX-'], shape: /GOCSPX-[\w-]{20,}/g, length: 35 },
  { begins: ['dop_v1_', 'doo_v1_', 'dor_v1_'], shape: /do[opr]_v1_[0-9a-f]{20,}/g, length: 71 },
  { begins: ['xox'], shape: /xox[a-z]-[\w-]{10,}/g },
  { begins: ['xapp-'], shape: /xapp-\d-[\w-]{10,}/g },
  {
    begins: [
      'glpat-',
      'gldt-',
      'glrt-',
      'glrtr-',
      'glptt-',
      'glcbt-',
      'glft-',
      'glimt-',
      'glagent-',
      'gloas-',
      'glsoat-',
      'glffct-',
    ],
    shape: /gl[a-z]{2,5}-[\w-]{15,}(?:\.[\w-]{1,100}){0,3}/g,
  },
  { begins: ['sk-'], shape: /sk-(?:(?:proj|svcacct|admin)-[\w-]{20,}|[A-Za-z0-9]{20,})/g },
  { begins: ['_live_', '_test_'], shape: /[sr]k_(?:live|test)_[A-Za-z0-9]{10,}/g },
  { begins: ['hf_'], shape: /hf_[A-Za-z0-9]{30,}/g },
  { begins: ['pypi-AgE'], shape: /pypi-AgE[\w-]{20,}/g },
  { begins: ['dckr_'], shape: /dckr_[op]at_[\w-]{20,}/g },
];

/** How the name of something secret ends. */
const NAME =
  '(?:token|secret|passw(?:or)?d|passphrase|pwd|api[-_ ]?key|(?:access|private|secret|auth|account|signing|encryption)[-_ ]?key|key-data|credentials?|dockerconfigjson|_auth|"auth)';
/** Between a name and its value. A name in quotation marks has a value in quotation marks: JSON has numbers as well. */
const BETWEEN = `(?:["']\\s{0,8}(?:[:=]|=>)\\s{0,8}["']|\\s{0,8}(?::=|[:=]|=>)\\s{0,8}["'\`]?)`;
/** To the end of the word, but not into the next of several assignments; quotation marks end it, and never begin it. */
const VALUE = `((?:(?!["'\`,:}\\]])\\S)(?:[^\\s"'\`,;&]|[,;&](?!\\s|$|[\\w.-]{1,40}[=:]))*)`;

/** Of the header Authorization. */
const SCHEME = '(?:bearer|basic|token|digest|negotiate|apikey)';

/**
 * What introduces a secret: the words, at one of which the pattern matches, in lower case; the pattern, with the introduction
 * and the secret as its groups; and a judge of what was found, since prose has the same words.
 */
interface Introduction {
  readonly words: readonly string[];
  readonly pattern: RegExp;
  readonly judge: Judge;
}

const INTRODUCTIONS: readonly Introduction[] = [
  {
    words: ['token', 'secret', 'passw', 'passphrase', 'pwd', 'key', 'credential', 'dockerconfigjson', 'auth'],
    pattern: new RegExp(`(${NAME}${BETWEEN})${VALUE}`, 'gi'),
    judge: isValue,
  },
  // A sentence of several words, which only quotation marks keep together.
  {
    words: ['passw', 'passphrase'],
    pattern:
      /((?:passw(?:or)?d|passphrase)["']?\s{0,8}[:=]\s{0,8}["'])((?![\s,:}\]])[^"'\n]{4,200})(?=["'])/gi,
    judge: (_, value) => !isPlaceholder(value),
  },
  {
    words: ['authorization'],
    pattern: new RegExp(
      `(authorization${BETWEEN}(?:${SCHEME}\\s{1,8})?)((?!["'\`,:}\\]])[^\\s"'\`]{6,})`,
      'gi',
    ),
    judge: (introduction, value) =>
      new RegExp(`${SCHEME}\\s+$`, 'i').test(introduction)
        ? !isPlaceholder(value) && !/^[a-z]{1,15}$/i.test(value)
        : isRandom(value),
  },
  {
    words: ['bearer', 'basic'],
    pattern: /((?:bearer|basic)\s{1,4})([\w.~+/=-]{12,})/gi,
    judge: (_, value) => isRandom(value),
  },
  // https://user:password@host, and https://token@host.
  {
    words: ['://'],
    pattern: /(:\/\/[^\s/:@"'`?#]{0,128}:)([^\s/"'`?#]{1,512})(?=@)/g,
    judge: (_, value) => !isPlaceholder(value),
  },
  {
    words: ['://'],
    pattern: /(:\/\/)([^\s/:@"'`?#]{8,512})(?=@)/g,
    judge: (_, value) => isRandom(value),
  },
  // Anyone who knows the URL of a webhook may post to it.
  {
    words: ['hooks.slack.com', 'api/webhooks/'],
    pattern: /(hooks\.slack\.com\/services\/|\/api\/webhooks\/)([\w/-]{20,200})/g,
    judge: () => true,
  },
  // --token VALUE
  {
    words: ['token ', 'passw', 'secret ', 'key '],
    pattern: /(-(?:token|passw(?:or)?d|secret|api-?key)\s{1,4}["']?)((?!["'`,:}\]-])[^\s"'`]{6,})/gi,
    judge: (_, value) => isRandom(value),
  },
  // netrc(5); its words may stand on lines of their own, between which nothing is left here.
  {
    words: ['password'],
    pattern: /(login\s{1,8}[^\s"']{1,128}?\s{0,8}password\s{1,8})([^\s"'`]{4,256})/gi,
    judge: (_, value) => !isPlaceholder(value),
  },
];

/** @returns whether what stands behind such words is a secret */
type Judge = (introduction: string, value: string) => boolean;

function isValue(introduction: string, value: string): boolean {
  if (isPlaceholder(value)) return false;
  const assigned = /=["'`]?$/.test(introduction) && !/\s/.test(introduction);
  const password = /^(?:pass|pwd)/i.test(introduction);
  if (assigned && password) return value.length >= 4;
  if (assigned && /^[A-Z_]+=/.test(introduction)) return value.length >= 6;
  if (password) return value.length >= 4 && !/^[A-Za-z]{1,11}[.,:;!)]*$/.test(value);
  if (/^"?auth|^_auth|^dockerconfig/i.test(introduction))
    return /^[\w+/=.-]{6,}$/.test(value) && isRandom(value, 6);
  return isRandom(value);
}

/** What stands for a value: a variable, a word in angle brackets, what was masked already. */
function isPlaceholder(value: string): boolean {
  return /^(?:\$[\w{(]|<|\*+$|\*{3}|\.{3}|…|\[(?:redacted|masked|hidden)|x{3,}$|\{\{|%[({]|(?:null|none|true|false|undefined)\b)/i.test(
    value,
  );
}

/** A piece of a name: a word, a number, a word with a number. */
const PIECE =
  /^(?:[A-Za-z]?[a-z]+(?:[A-Z][a-z]+){0,4}|[A-Z]+|\d{1,6}|[A-Za-z]?[a-z]{0,12}\d{1,5}|\d{1,4}[a-z]{1,3})$/;

/** Whether this is not a plausible name: not words and numbers, a path, a date or a short hash. */
function isRandom(value: string, least = 8): boolean {
  const word = value.replace(/[.,:;!?)\]}]{1,4}$/, '');
  if (word.length < least || isPlaceholder(word)) return false;
  if (/^[0-9a-f]{1,12}$|^sha\d+:|^\d{4}-\d\d-\d\d[T ]|^[\d.,:%-]+$/i.test(word)) return false;
  if (/^(?:[\w+.-]+:\/\/|\.{0,2}\/|~\/)/.test(word) && word.split('/').every((part) => part.length < 40))
    return false;
  const pieces = word.slice(0, 512).split(/[^A-Za-z0-9]+/);
  return !pieces.every((piece) => piece === '' || PIECE.test(piece));
}

const KEY_BEGINS = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;
const KEY_ENDS = /["']|-----END/g;
/** A line of a key, with what numbers it or marks it as changed. */
const KEY_LINE = /([^\w+/="']{0,24}(?:\d{1,5}[^\w+/="']{1,8})?)([\w+/=]{6,})/y;
/** A key has so many characters at most, of RSA with 16384 bits. */
const KEY_LENGTH = 16_384;

// --- how a text reads ---------------------------------------------------------------------------------------------------

/** A text as a reader sees it; `from` and `to` say for each of its characters where in the source it stands. Null: the same. */
interface View {
  readonly text: string;
  readonly from: Uint32Array | null;
  readonly to: Uint32Array | null;
}

const INVISIBLE_CHARACTERS =
  '\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0';

const INVISIBLE = new RegExp(`[\\0-\\u001f\\u007f-\\u009f${INVISIBLE_CHARACTERS}]`);

/** What does not read as it is written. */
const CODED = new RegExp(
  [
    // Sequences: of titles and links, of colours, of character sets; as characters or as the escapes of a string.
    '\\u001b\\][^\\u0007\\u001b]*(?:\\u0007|\\u001b\\\\)?',
    '\\u001b\\[[0-?]*[ -/]*[@-~]?',
    '\\u001b[ -/]*[0-~]?',
    '\\\\+(?:u001[bB]|x1[bB]|033|e)\\[[0-?]*[ -/]*[@-~]',
    // readline wraps a line by a blank and a return.
    ' \\r(?!\\n)',
    `(?![\\n\\t])[\\0-\\u001f\\u007f-\\u009f${INVISIBLE_CHARACTERS}]`,
    '\\udb40[\\udc00-\\udfff]',
    // Escapes of strings, however often they were escaped again, and of URLs.
    `\\\\+(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|["'/nrtbf])?`,
    '%[2-7][0-9A-Fa-f]',
  ].join('|'),
  'g',
);

/** What none of these is in reads as it is written. */
const UNCODED = /^[\n\t -$&-[\]-~]*$/;

function readable(text: string): View {
  if (UNCODED.test(text) || text.search(CODED) < 0) return { text, from: null, to: null };
  const from = new Uint32Array(text.length);
  const to = new Uint32Array(text.length);
  const parts: string[] = [];
  let length = 0;
  let done = 0;
  const plain = (end: number) => {
    parts.push(text.slice(done, end));
    for (let at = done; at < end; at++) {
      from[length] = at;
      to[length++] = at + 1;
    }
  };
  for (const { 0: code, index } of text.matchAll(CODED)) {
    plain(index);
    const character = isPartOfPassword(code, text, index) ? '_' : decoded(code);
    if (character !== '') {
      parts.push(character);
      from[length] = index;
      to[length++] = index + code.length;
    }
    done = index + code.length;
  }
  plain(text.length);
  return { text: parts.join(''), from, to };
}

/** Before the path of a URL, where user and password are. */
const AUTHORITY = /:\/\/[^\s/?#"'`]{0,512}$/;

/** Whether a code stands for a character that would end the password of a URL if it were not encoded. */
function isPartOfPassword(code: string, text: string, at: number): boolean {
  return /^%(?:2[0237F]|3F|60)$/i.test(code) && AUTHORITY.test(text.slice(Math.max(0, at - 516), at));
}

/** The character that a code stands for; none for what is invisible. */
function decoded(code: string): string {
  if (code.startsWith('%')) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
  if (!code.startsWith('\\') || code.includes('[')) return '';
  const name = code.replace(/^\\+/, '');
  if (/^[ux]/.test(name)) {
    const character = String.fromCharCode(Number.parseInt(name.slice(1), 16));
    return INVISIBLE.test(character) ? '' : character;
  }
  if (name === 'n' || name === 'r') return '\n';
  if (/^[tbf]$/.test(name)) return ' ';
  return name === '' ? '\\' : name;
}

const sourceFrom = (view: View, at = 0): number => view.from?.[at] ?? at;
const sourceTo = (view: View, at = 0): number => view.to?.[at] ?? at + 1;

/** What a program may draw around the lines of a text. */
const isFrame = (code: number) => code === 0x7c || (code >= 0x2500 && code <= 0x259f);
const isBlank = (code: number) => code === 0x20 || code === 0x09 || code === 0xa0;

/** A line break that was left out since a word may go on behind it: where, and how far right the line before it reaches. */
interface Break {
  readonly at: number;
  readonly column: number;
}

/** The contents of lines, one directly behind the other where a line is full, with its line break where it is not. */
interface Lines {
  readonly text: string;
  /** For each character its place in the view. */
  readonly origin: Uint32Array;
  readonly breaks: readonly Break[];
  /** How far right the longest line reaches: where a terminal wraps. */
  readonly edge: number;
}

function joinLines({ text }: View, wrapped: boolean): Lines {
  const origin = new Uint32Array(text.length);
  const parts: string[] = [];
  const breaks: Break[] = [];
  let length = 0;
  let edge = 0;
  const take = (from: number, to: number) => {
    parts.push(text.slice(from, to));
    for (let at = from; at < to; at++) origin[length++] = at;
  };
  for (let start = 0; start <= text.length; ) {
    const found = text.indexOf('\n', start);
    const end = found < 0 ? text.length : found;
    const { from, to, full } = contentOf(text, start, end);
    take(from, to);
    edge = Math.max(edge, to - start);
    if (full && wrapped) breaks.push({ at: length, column: to - start });
    else if (end < text.length) take(end, end + 1);
    start = end + 1;
  }
  return { text: parts.join(''), origin, breaks, edge };
}

/** Where in a line the text is, without indentation and frame, and whether it reaches the line's end, or its frame. */
function contentOf(
  text: string,
  start: number,
  lineEnd: number,
): { from: number; to: number; full: boolean } {
  const code = (at: number) => text.charCodeAt(at);
  let from = start;
  while (from < lineEnd && (isBlank(code(from)) || isFrame(code(from)))) from++;
  let end = lineEnd;
  while (end > from && isBlank(code(end - 1))) end--;
  let to = end;
  while (to > from && isFrame(code(to - 1))) to--;
  const framed = to < end;
  const edge = framed ? to : lineEnd;
  while (to > from && isBlank(code(to - 1))) to--;
  return { from, to, full: to > from && edge - to <= (framed ? 1 : 0) };
}

// --- finding ------------------------------------------------------------------------------------------------------------

/** @param named leave out what tokens of a kind begin with, by which a reader knows the kind */
function* shapesIn(lines: Lines, named: boolean): Generator<Range> {
  const { text, breaks } = lines;
  for (const { begins, shape, length, anywhere } of SHAPES) {
    // Most texts have none: that is known before a pattern is even compiled.
    if (!begins.some((beginning) => text.includes(beginning))) continue;
    shape.lastIndex = 0;
    for (let match = shape.exec(text); match !== null; match = shape.exec(text)) {
      const from = match.index;
      if (!anywhere && /\w/.test(text[from - 1] ?? '') && !isBreak(breaks, from)) {
        shape.lastIndex = from + 1;
        continue;
      }
      const end = from + match[0].length;
      const complete = length !== undefined && isBreak(breaks, from + length) ? from + length : end;
      const to = endOfToken(breaks, from, Math.min(end, complete));
      const kind = named ? begins.find((beginning) => text.startsWith(beginning, from)) : undefined;
      yield [from + (kind?.length ?? 0), to];
      // What was taken for a part of this one may be the next.
      shape.lastIndex = to;
    }
  }
}

function* introducedIn(lines: Lines): Generator<Range> {
  const { text, breaks } = lines;
  const lower = text.toLowerCase();
  for (const { words, pattern, judge } of INTRODUCTIONS) {
    if (!words.some((word) => lower.includes(word))) continue;
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      const [, introduction = '', value = ''] = match;
      const from = match.index + introduction.length;
      const to = endOfValue(lines, from, from + value.length);
      if (
        to > from &&
        judge(introduction, text.slice(from, to)) &&
        (!isBreak(breaks, from) || isWrap(lines, from))
      )
        yield [from, to];
      pattern.lastIndex = Math.max(to, match.index + 1);
    }
  }
}

/** Private keys, from their first line to the last; where the end is not there, as far as it looks like one. */
function* keysIn({ text }: Lines): Generator<Range> {
  KEY_BEGINS.lastIndex = 0;
  let end = -1;
  for (let match = KEY_BEGINS.exec(text); match !== null; match = KEY_BEGINS.exec(text)) {
    const from = match.index + match[0].length;
    if (end < from) {
      KEY_ENDS.lastIndex = from;
      end = KEY_ENDS.exec(text)?.index ?? text.length;
    }
    if (text[end] === '-' && end - from <= KEY_LENGTH) {
      for (const { 0: run, index } of text.slice(from, end).matchAll(/[\w+/=]{4,}/g))
        yield [from + index, from + index + run.length];
      KEY_BEGINS.lastIndex = end;
      continue;
    }
    KEY_LINE.lastIndex = from;
    for (let line = KEY_LINE.exec(text); line !== null; line = KEY_LINE.exec(text)) {
      const [, gap = '', body = ''] = line;
      if (line.index > from && body.length < 16) break;
      yield [line.index + gap.length, KEY_LINE.lastIndex];
    }
  }
}

/** Where the values are that are known, as they are. */
function occurrences(text: string, known: readonly string[]): Range[] {
  const ranges: Range[] = [];
  for (const secret of known)
    for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + secret.length))
      ranges.push([at, at + secret.length]);
  return ranges;
}

/** The index of the first break behind a place. */
function nextBreak(breaks: readonly Break[], at: number): number {
  let low = 0;
  let high = breaks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((breaks[middle]?.at ?? 0) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

function isBreak(breaks: readonly Break[], at: number): boolean {
  return breaks[nextBreak(breaks, at - 1)]?.at === at;
}

/** Whether the line that ends there reaches the edge, so that a terminal may have wrapped it. */
function isWrap({ breaks, edge }: Lines, at: number): boolean {
  const found = breaks[nextBreak(breaks, at - 1)];
  return found?.at === at && found.column >= edge;
}

/**
 * Where a token ends that reads from one place to another. It wraps at the edge: every line it fills reaches as far as the
 * one it began in; in one that does not, the rest of the line is something else.
 */
function endOfToken(breaks: readonly Break[], from: number, to: number): number {
  const first = nextBreak(breaks, from);
  const edge = breaks[first]?.column ?? 0;
  for (let index = first + 1; index < breaks.length; index++) {
    const { at, column } = breaks[index] as Break;
    if (at >= to) break;
    if (column < edge) return at;
  }
  return to;
}

/**
 * Where a value of no known shape ends that reads from one place to another: at the first break where no terminal has
 * wrapped, or behind which another assignment begins.
 */
function endOfValue(lines: Lines, from: number, to: number): number {
  const { breaks, text } = lines;
  for (let index = nextBreak(breaks, from); index < breaks.length; index++) {
    const { at } = breaks[index] as Break;
    if (at >= to) break;
    if (!isWrap(lines, at) || /^[\w.-]{1,64}\s?[=:]/.test(text.slice(at, at + 68))) return at;
  }
  return to;
}

/** Ranges in order, those that overlap as one. */
function merge(ranges: readonly Range[]): Range[] {
  const merged: [number, number][] = [];
  for (const [from, to] of ranges.toSorted(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last !== undefined && from < last[1]) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

/**
 * @returns where secrets are in a text, each from its first character to behind its last one, with line breaks, colours and
 *   frames between them; in order, none overlapping another
 */
export function findTokens(text: string, known: readonly string[] = []): Range[] {
  const { ranges, view, origin } = read(text, known, false);
  const whole = ranges.map(
    ([from, to]): Range => [sourceFrom(view, origin[from]), sourceTo(view, origin[to - 1])],
  );
  return merge([...whole, ...occurrences(text, known)]);
}

/** The same without what is between the characters. */
function secretParts(text: string, known: readonly string[], wrapped: boolean): Range[] {
  const { ranges, view, origin } = read(text, known, true, wrapped);
  const parts: [number, number][] = [];
  for (const [first, end] of ranges)
    for (let at = first; at < end; at++) {
      const from = sourceFrom(view, origin[at]);
      const to = sourceTo(view, origin[at]);
      const last = parts.at(-1);
      if (last?.[1] === from) last[1] = to;
      else parts.push([from, to]);
    }
  return known.length === 0 ? parts : merge([...parts, ...occurrences(text, known)]);
}

function read(text: string, known: readonly string[], named: boolean, wrapped = true) {
  const view = readable(text);
  const lines = joinLines(view, wrapped);
  const ranges = merge([
    ...shapesIn(lines, named),
    ...introducedIn(lines),
    ...keysIn(lines),
    ...occurrences(lines.text, known),
  ]);
  return { ranges, view, origin: lines.origin };
}

function starred(text: string, ranges: readonly Range[]): string {
  if (ranges.length === 0) return text;
  const parts: string[] = [];
  let done = 0;
  for (const [from, to] of ranges) {
    parts.push(text.slice(done, from), '*'.repeat(to - from));
    done = to;
  }
  return parts.join('') + text.slice(done);
}
