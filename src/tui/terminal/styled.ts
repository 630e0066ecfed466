/**
 * Loads what draws. Styles are ours to decide, and the theme has none where no colour is wanted:
 * what Ink's own library for colours finds out when it is loaded (no terminal, `--no-color`) would
 * take away weight and reversal, too.
 */
export async function withStyles<T>(load: () => Promise<T>): Promise<T> {
  const before = process.env.FORCE_COLOR;
  process.env.FORCE_COLOR = '1';
  try {
    return await load();
  } finally {
    if (before === undefined) delete process.env.FORCE_COLOR;
    else process.env.FORCE_COLOR = before;
  }
}
