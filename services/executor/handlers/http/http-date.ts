/**
 * Dates in HTTP headers (RFC 9110, 5.6.7), in all three forms that recipients must accept. All of them are GMT, also
 * asctime's, which does not say so: `Date.parse` would read it in the zone of this machine.
 */
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const TIME = String.raw`(?<time>\d\d:\d\d:\d\d)`;
const FORMS = [
  // Sun, 06 Nov 1994 08:49:37 GMT
  new RegExp(String.raw`^[A-Z][a-z]{2}, (?<day>\d\d) (?<month>[A-Z][a-z]{2}) (?<year>\d{4}) ${TIME} GMT$`),
  // Sunday, 06-Nov-94 08:49:37 GMT
  new RegExp(String.raw`^[A-Z][a-z]{5,8}, (?<day>\d\d)-(?<month>[A-Z][a-z]{2})-(?<year>\d\d) ${TIME} GMT$`),
  // Sun Nov  6 08:49:37 1994
  new RegExp(String.raw`^[A-Z][a-z]{2} (?<month>[A-Z][a-z]{2}) (?<day>[ \d]\d) ${TIME} (?<year>\d{4})$`),
];

/**
 * Reads a date.
 * @param now ms since the epoch: a year of two digits is the one that is not more than 50 years ahead
 * @returns ms since the epoch; undefined when the text is no such date
 */
export function parseHttpDate(text: string, now: number): number | undefined {
  const parts = FORMS.map((form) => form.exec(text)?.groups).find((groups) => groups !== undefined);
  if (parts === undefined) return undefined;
  const month = MONTHS.indexOf(parts.month!);
  const day = Number(parts.day);
  const [hour = 0, minute = 0, second = 0] = parts.time!.split(':').map(Number);
  const year = parts.year!.length === 2 ? fullYear(Number(parts.year), now) : Number(parts.year);
  const midnight = Date.UTC(year, month, day);
  const exists = month >= 0 && new Date(midnight).getUTCDate() === day && year >= 1900;
  // RFC 9110 allows the leap second.
  if (!exists || hour > 23 || minute > 59 || second > 60) return undefined;
  return midnight + ((hour * 60 + minute) * 60 + second) * 1_000;
}

function fullYear(twoDigits: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + twoDigits;
  return year > thisYear + 50 ? year - 100 : year;
}
