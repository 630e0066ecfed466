/** How the face that reads our output looks. */
export interface Terminal {
  color: boolean;
  /** Columns; without end where the output is no screen. */
  width: number;
}

/** Whether escape sequences for colour are wanted on this stream. */
export function wantsColor(
  stream: { isTTY?: boolean },
  environment: NodeJS.ProcessEnv,
  noColor: boolean,
): boolean {
  if (noColor || environment.TERM === 'dumb') return false;
  if (environment.NO_COLOR !== undefined && environment.NO_COLOR !== '') return false;
  if (environment.FORCE_COLOR !== undefined && environment.FORCE_COLOR !== '0') return true;
  return stream.isTTY === true;
}

/** Whether a person sits at stdin, as far as neither --no-input nor CI says otherwise. */
export const canAsk = (options: { noInput: boolean; environment: NodeJS.ProcessEnv }): boolean =>
  process.stdin.isTTY === true && !options.noInput && !isTruthy(options.environment.CI);

const isTruthy = (value: string | undefined): boolean =>
  value !== undefined && value !== '' && value !== '0' && value.toLowerCase() !== 'false';

const styles = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] };
export type Style = keyof typeof styles;

/** The text in a style, or as it is where colour is not wanted. */
export function paint(terminal: { color: boolean }, style: Style, text: string): string {
  const [on, off] = styles[style] as [number, number];
  return terminal.color ? `\u001b[${on}m${text}\u001b[${off}m` : text;
}

const ourCodes = new Set(Object.values(styles).flatMap((codes) => codes.map(String)));

// Control characters but tab and newline, and the marks that reorder text on screen.
const dangerous =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
  /\u001b\[(\d{1,2})m|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Text that cannot steer the terminal: control characters from data become visible escapes
 * (`\u001b`). The few colour codes of `paint` pass, and only where colour is on.
 */
export function safeText(text: string, color: boolean): string {
  return text.replace(dangerous, (found: string, code: string | undefined) =>
    code !== undefined && color && ourCodes.has(code)
      ? found
      : found.replace(/[^\w[]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}
