import { type OperatorError, refused } from '../system/errors.js';
import { shellWord } from '../system/shell.js';

/** How a command may be answered without a person: its flags. */
export interface Answers {
  yes?: boolean | undefined;
  confirm?: string | undefined;
  plan?: string | undefined;
}

export interface ConfirmHost {
  interactive: boolean;
  /** The command line as typed, without the program's name. */
  argv: readonly string[];
  /** Asks on the terminal and gives the typed line; undefined when the input ended. */
  ask(question: string): Promise<string | undefined>;
}

/** A change that can be undone or repeated: `--yes`, or a person's yes. The default is no. */
export async function confirmChange(
  host: ConfirmHost,
  what: string,
  answers: Answers,
): Promise<void> {
  if (answers.yes === true) return;
  const rerun = rerunCommand(host.argv, '--yes');
  if (!host.interactive) throw confirmationRequired(what, rerun);
  const answer = await host.ask(`${what} Go on? [y/N] `);
  if (!/^y(es)?$/i.test(answer?.trim() ?? '')) throw declined();
}

export interface Destruction {
  /** What will be gone, with the count: `3 batches (12 GB) will be deleted.` */
  what: string;
  /** What `--confirm` takes, and a person types. */
  name: string;
  /** What a person types where the name alone says too little: `NAME COUNT`. */
  typed?: string | undefined;
  /** The hash of the plan that was shown; `--plan` takes it. */
  planHash?: string | undefined;
}

/**
 * Something that cannot be undone: the name of the target, typed or as `--confirm`, or the hash of
 * the plan as `--plan`. `--yes` is not enough.
 */
export async function confirmDestruction(
  host: ConfirmHost,
  target: Destruction,
  answers: Answers,
): Promise<void> {
  if (answers.plan !== undefined) {
    if (answers.plan === target.planHash) return;
    throw refused('PLAN_CHANGED', `The plan is no longer the one that was shown. ${target.what}`, {
      hint: `Look at the plan with --dry-run, then run \`${planCommand(host.argv, target)}\`.`,
    });
  }
  if (answers.confirm !== undefined) {
    if (answers.confirm === target.name) return;
    throw refused('CONFIRMATION_MISMATCH', `--confirm must be ${JSON.stringify(target.name)}.`, {
      hint: `Run \`${planCommand(host.argv, target)}\`.`,
    });
  }
  if (!host.interactive) {
    throw confirmationRequired(target.what, planCommand(host.argv, target));
  }
  const typed = target.typed ?? target.name;
  const answer = await host.ask(`${target.what}\nType ${typed} to go on: `);
  if (answer?.trim() !== typed) throw declined();
}

const planCommand = (argv: readonly string[], target: Destruction): string =>
  target.planHash === undefined
    ? rerunCommand(argv, '--confirm', target.name)
    : rerunCommand(argv, '--plan', target.planHash);

const confirmationRequired = (what: string, rerun: string): OperatorError =>
  refused('CONFIRMATION_REQUIRED', `${what} That needs a confirmation; nothing was changed.`, {
    hint: `Run \`${rerun}\`.`,
  });

const declined = (): OperatorError =>
  refused('DECLINED', 'Declined; nothing was changed.', { hint: 'Run it again to decide anew.' });

/** The command as typed, with the answer in place of earlier ones; ready for a shell. */
export function rerunCommand(argv: readonly string[], ...answer: string[]): string {
  const kept: string[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    if (word === '--confirm' || word === '--plan') index += 1;
    else if (!/^--(yes|dry-run|confirm=.*|plan=.*)$|^-y$/.test(word)) kept.push(word);
  }
  const end = kept.indexOf('--');
  kept.splice(end === -1 ? kept.length : end, 0, ...answer);
  return ['reviewops', ...kept.map(shellWord)].join(' ');
}
