import type { CommandContext } from '../cli/context.js';
import { type ContextFlags, createContext } from '../cli/create-context.js';
import { endProcess } from '../cli/end-process.js';
import { wantsColor } from '../cli/terminal.js';
import type { RunReport } from '../runbooks/engine/report.js';
import { ExitCode, interrupted } from '../system/errors.js';
import { thisProcess } from '../system/owner.js';
import { type Face, Program } from './effects/program.js';
import { knowsAsciiOnly } from './terminal/ascii.js';
import { forDrawing } from './terminal/loading.js';
import type { SessionEvents } from './terminal/session.js';
import { themeOf } from './theme.js';

export interface TuiOptions {
  flags: ContextFlags;
  /** Refuse whatever changes something, until somebody types otherwise. */
  readOnly: boolean;
  /** Lines in order, in place of a screen that is drawn. */
  plain: boolean;
  /** The runbook to begin with. */
  runbook: string | undefined;
}

/** What was done before somebody left. */
export interface TuiResult {
  runs: Pick<RunReport, 'runId' | 'runbook' | 'state' | 'resume'>[];
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
  const face = await openFace(options, {
    press: (press) => program?.post({ type: 'press', press, at: Date.now() }),
    resized: () => program?.post({ type: 'resized', size: face.size() }),
    lost: () => gone.abort(interrupted('The terminal was closed.')),
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
      leaveNow: () => endProcess(ExitCode.interrupted),
      runbook: options.runbook,
    });
    const status = await program.run();
    const runs = program.model.ended.map(({ runId, runbook, state, resume }) => ({
      runId,
      runbook,
      state,
      resume,
    }));
    if (status === 'interrupted') throw interrupted(leftText(runs), resumeHint(runs));
    return { runs };
  } finally {
    face.close();
  }
}

/** Ink and React are loaded only where something is drawn. */
async function openFace(
  { flags, plain }: TuiOptions,
  events: Omit<SessionEvents, 'dirty'>,
): Promise<Face> {
  const streams = { input: process.stdin, output: process.stdout };
  if (plain) {
    const { PlainFace } = await import('./plain/face.js');
    return new PlainFace({ ...streams, ...events });
  }
  const theme = themeOf(wantsColor(process.stdout, process.env, flags['no-color']));
  const { InkFace } = await forDrawing(() => import('./terminal/ink-face.js'));
  return InkFace.open({ ...streams, theme, ascii: knowsAsciiOnly(process.env), events });
}

const leftText = (runs: TuiResult['runs']): string => {
  const last = runs.at(-1);
  return last === undefined
    ? 'Left by the operator.'
    : `Left by the operator; the last run, ${last.runId}, ${last.state}.`;
};

const resumeHint = (runs: TuiResult['runs']): { hint?: string } => {
  const { resume } = runs.at(-1) ?? { resume: null };
  return resume === null ? {} : { hint: `Go on with \`${resume}\`.` };
};
