import { registerSecret } from '../../system/redact.js';

/** Shorter lines of a secret are no secret of their own: `}` or `-----`. */
const shortestLine = 8;

/**
 * Masks a secret that came into being during a run, as a whole and line by line: output is shown
 * by the line.
 */
export function registerBornSecret(value: string): void {
  registerSecret(value);
  const lines = value.split(/\r?\n/);
  if (lines.length === 1) return;
  for (const line of lines) {
    if (line.trim().length >= shortestLine) registerSecret(line.trim());
  }
}
