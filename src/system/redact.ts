/** What stands in place of a secret. */
export const mask = '***';

/** Shorter values are not masked by value: they would eat half of every text. */
const shortest = 4;

const secrets = new Set<string>();

/** Masks this value in everything that is printed or logged from now on. */
export function registerSecret(value: string | undefined): void {
  if (value === undefined || value.length < shortest) return;
  secrets.add(value);
  const encoded = encodeURIComponent(value);
  if (encoded !== value) secrets.add(encoded);
}

/**
 * Masks the URL of a database and its password, raw and decoded. A password that equals another
 * part of the URL is masked inside URLs only: elsewhere it cannot be told from the user's name.
 */
export function registerSecretUrl(url: string | undefined): void {
  if (url === undefined) return;
  registerSecret(url);
  const password = /^[a-z][a-z0-9+.-]*:\/\/[^/@\s]*?:(.*)@[^@]*$/i.exec(url)?.[1];
  if (password === undefined) return;
  const rest = url.replace(`:${password}@`, '@').split(/[^\w-]+/);
  for (const form of [password, decoded(password)]) {
    if (!rest.includes(form)) registerSecret(form);
  }
  const query = /[?&]password=([^&\s]+)/i.exec(url)?.[1];
  if (query !== undefined) {
    registerSecret(query);
    registerSecret(decoded(query));
  }
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray % that is no escape: the text is its own decoded form.
    return text;
  }
};

const urlPassword = /([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi;
const namedPassword = /\b(password|passwd|pwd|secret)=[^\s&'"]+/gi;

/** The text without any registered secret, nor the password of any URL. */
export function redact(text: string): string {
  let clean = text;
  // Longest first, so that a URL goes as a whole before its password does.
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) {
    clean = clean.replaceAll(secret, mask);
  }
  return clean.replace(urlPassword, `$1:${mask}@`).replace(namedPassword, `$1=${mask}`);
}

/** A copy of plain data with every string in it redacted. */
export function redactDeep(value: unknown): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map(redactDeep);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [redact(key), redactDeep(entry)]),
  );
}
