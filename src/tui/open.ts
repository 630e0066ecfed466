import type { CommandContext } from '../cli/context.js';
import { type ContextFlags, createContext } from '../cli/create-context.js';
import { wantsColor } from '../cli/terminal.js';
import { ExitCode, interrupted } from '../system/errors.js';
import { thisProcess } from '../system/owner.js';
import { Program, type ProgramOptions } from './effects/program.js';
import { InkFace } from './terminal/ink-face.js';
import { themeOf } from './theme.js';

export interface TuiOptions {
  flags: ContextFlags;
  /** Refuse whatever changes something, until somebody types otherwise. */
  readOnly: boolean;
  /** The runbook to begin with. */
  runbook: string | undefined;
}

/** What was done before somebody left. */
export interface TuiResult {
  runs: { runId: string; runbook: string; state: string; resume: string | null }[];
}

/**
 * Opens the full screen and resolves when somebody leaves it.
 *
 * @throws INTERRUPTED after Ctrl-C, or when the terminal was closed
 */
export async function openTui(context: CommandContext, options: TuiOptions): Promise<TuiResult> {
  const { flags, readOnly } = options;
  const gone = new AbortController();
  let program: Program | undefined;
  const theme = themeOf(wantsColor(process.stdout, process.env, flags['no-color']));
  const face = await InkFace.open({
    input: process.stdin,
    output: process.stdout,
    theme,
    events: {
      press: (press) => program?.post({ type: 'press', press, at: Date.now() }),
      resized: () => program?.post({ type: 'resized', size: face.size() }),
      lost: () => gone.abort(interrupted('The terminal was closed.')),
    },
  });
  try {
    program = new Program({
      face,
      open: (say) =>
        createContext({ ...flags, quiet: false }, { argv: context.argv, tool: context.tool, say }),
      tool: `${context.tool.name} ${context.tool.version}`,
      operator: thisProcess().user,
      readOnly,
      signal: AbortSignal.any([context.signal, gone.signal]),
      leaveNow: () => process.exit(ExitCode.interrupted),
    } satisfies ProgramOptions);
    const status = await program.run();
    if (status === 'interrupted') throw interrupted('Left by the operator.');
    return { runs: [] };
  } finally {
    face.close();
  }
}
