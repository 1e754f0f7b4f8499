/** When a limit is reset, as claude writes it: `resets 3pm (UTC)`, `resets Oct 9, 3:45pm (Europe/Berlin)`. */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const DAY_MS = 86_400_000;
/** No limit of claude lasts longer than a month; a longer one was misread. */
const LONGEST_MS = 32 * DAY_MS;
/** claude omits the seconds, so a limit that ends within the minute seems to have ended; the record of it is made a moment later. */
const JUST_PASSED_MS = 2 * 60_000;

const RESETS =
  /resets?(?: at)? (?:([a-z]{3})[a-z]* (\d{1,2})(?:,| at)? |([a-z]{3})[a-z]*,? )?(\d{1,2})(?::(\d\d))?\s*(am|pm)?\b(?: \(([\w/+-]+)\))?/i;

/**
 * @param text what claude showed
 * @param now in milliseconds since the epoch: the result is the first matching time from about then
 * @param zone for a time without a zone: claude uses the worker's
 * @returns milliseconds since the epoch; null when the text does not say
 */
export function resetTime(text: string, now: number, zone: string): number | null {
  const from = now - JUST_PASSED_MS;
  const match = RESETS.exec(text);
  if (match === null) return null;
  const [, monthName, dayText, weekdayName, hourText, minuteText, half, zoneText] = match;
  // `resets 3` alone is ambiguous.
  if (half === undefined && minuteText === undefined) return null;
  const hour = half === undefined ? Number(hourText) : (Number(hourText) % 12) + (/pm/i.test(half) ? 12 : 0);
  const minute = Number(minuteText ?? 0);
  if (hour > 23 || minute > 59) return null;
  const where = zoneText !== undefined && isZone(zoneText) ? zoneText : zone;
  const today = wallClock(from, where);
  const at = (year: number, month: number, day: number) =>
    instant(Date.UTC(year, month, day, hour, minute), where);

  let found: number;
  if (monthName !== undefined) {
    const month = MONTHS.indexOf(monthName.toLowerCase());
    if (month < 0) return null;
    const thisYear = at(today.getUTCFullYear(), month, Number(dayText));
    found = thisYear > from ? thisYear : at(today.getUTCFullYear() + 1, month, Number(dayText));
  } else {
    const weekday = weekdayName === undefined ? null : DAYS.indexOf(weekdayName.toLowerCase());
    if (weekday === -1) return null;
    const ahead = [0, 1, 2, 3, 4, 5, 6, 7]
      .map((days) => new Date(today.getTime() + days * DAY_MS))
      .filter((day) => weekday === null || day.getUTCDay() === weekday)
      .map((day) => at(day.getUTCFullYear(), day.getUTCMonth(), day.getUTCDate()))
      .find((time) => time > from);
    if (ahead === undefined) return null;
    found = ahead;
  }
  return found - from > LONGEST_MS ? null : found;
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The wall-clock time in that zone, as if it were UTC. */
function wallClock(time: number, zone: string): Date {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(time);
  const part = (type: string) => Number(parts.find((candidate) => candidate.type === type)?.value);
  return new Date(
    Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second')),
  );
}

/** The time at which a clock in that zone shows this; computed twice, since the first guess may be across a clock change. */
function instant(shown: number, zone: string): number {
  const guess = shown - (wallClock(shown, zone).getTime() - shown);
  return guess - (wallClock(guess, zone).getTime() - shown);
}
