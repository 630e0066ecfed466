import { parseDatabaseUrl } from '../../database/url.js';

/** The same URL with another login; everything else of it stays as it was written. */
export function withLogin(url: string, user: string, password: string): string {
  const trimmed = url.trim();
  const scheme = /^postgres(?:ql)?:\/\//.exec(trimmed)?.[0];
  // Host, database and parameters hold no @; a password may.
  const rest = trimmed.slice(trimmed.lastIndexOf('@') + 1).replace(/^postgres(?:ql)?:\/\//, '');
  const bare = withoutLoginParameters(rest);
  const made = `${scheme}${encodeURIComponent(user)}:${encodeURIComponent(password)}@${bare}`;
  const read = parseDatabaseUrl(made);
  if (read.user !== user || read.password !== password) {
    throw new Error('The URL that was made reads as another login.');
  }
  return made;
}

/** A login may stand behind the question mark, too; the new one stands in front. */
function withoutLoginParameters(rest: string): string {
  const [place = '', query] = [rest.split('?')[0], rest.split('?').slice(1).join('?')];
  const kept = query.split('&').filter((pair) => pair !== '' && !/^(user|password)=/.test(pair));
  return kept.length === 0 ? place : `${place}?${kept.join('&')}`;
}

/** The login of a URL. */
export function loginOf(url: string): { user: string; password: string | undefined } {
  const { user, password } = parseDatabaseUrl(url);
  return { user, password };
}
