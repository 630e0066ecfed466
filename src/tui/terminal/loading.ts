/** What React and Ink's library for colours look at when they are loaded. */
const wanted = {
  /**
   * Styles are ours to decide, and the theme has none where no colour is wanted: no terminal, or
   * `--no-color`, would take away weight and reversal, too.
   */
  FORCE_COLOR: '1',
  /** The other build of React draws at half the speed and keeps a record of every frame. */
  NODE_ENV: 'production',
};

/** Loads what draws. The environment is as it was afterwards: what is started later inherits it. */
export async function forDrawing<T>(load: () => Promise<T>): Promise<T> {
  const before = { FORCE_COLOR: process.env.FORCE_COLOR, NODE_ENV: process.env.NODE_ENV };
  Object.assign(process.env, wanted);
  try {
    return await load();
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
