/** What people wrote, made harmless for where it is printed. */

/** For Markdown, in the middle of a line: nothing in it is markup, a link, HTML or a mention. */
export const markdownEscape = (text: string): string =>
  text
    .replace(/\r?\n/g, ' ')
    .replace(/[\\`*_{}[\]()#+!|~]/g, String.raw`\$&`)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('@', '&#64;')
    // What makes a list, a heading or a link only in its place.
    .replace(/^(\s*)([-=]|\d+\.)/, String.raw`$1\$2`)
    .replace(/(https?|ftp):\/\//gi, '$1&#58;//')
    .replace(/www\./gi, 'www&#46;');

/** For HTML, between tags and in quoted attributes. */
export const htmlEscape = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');

/** One field of CSV; what a spreadsheet would run as a formula is text. */
export function csvField(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
