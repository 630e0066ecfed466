import { dirname, join } from 'node:path';
import type { Runbook } from '../runbooks/engine/definition.js';
import { catalogue, loadAll, loadRunbook } from '../runbooks/index.js';
import { loadUserRunbooks, type UserRunbooks } from '../runbooks/yaml/load.js';
import { invalid } from '../system/errors.js';
import type { CommandContext } from './context.js';

/** The operator's own runbooks, in `runbooks/` beside the configuration file. */
async function ownRunbooks(context: CommandContext): Promise<UserRunbooks> {
  const { file } = await context.loadedConfig();
  const directory = join(file === undefined ? context.cwd : dirname(file), 'runbooks');
  return loadUserRunbooks(directory, new Set(catalogue.map(({ id }) => id)));
}

/** @throws RUNBOOK_NOT_FOUND, RUNBOOK_INVALID (both exit 2) */
export async function findRunbook(context: CommandContext, id: string): Promise<Runbook> {
  // A built-in one is there whatever state the operator's own are in.
  const builtIn = catalogue.find((entry) => entry.id === id);
  if (builtIn !== undefined) return builtIn.load();
  const { runbooks, problems } = await ownRunbooks(context);
  if (problems.length > 0 && !runbooks.some((runbook) => runbook.id === id)) {
    throw invalid('RUNBOOK_INVALID', `There is no runbook "${id}".\n${problems.join('\n')}`, {
      hint: 'Correct these files, or check the id with `reviewops runbook list`.',
    });
  }
  const own = runbooks.map((runbook) => ({ id: runbook.id, load: async () => runbook }));
  return loadRunbook(id, [...catalogue, ...own]);
}

/** All runbooks; files that cannot be read are left out with a warning each. */
export async function allRunbooks(context: CommandContext): Promise<Runbook[]> {
  const [builtIn, { runbooks, problems }] = await Promise.all([
    loadAll(catalogue),
    ownRunbooks(context),
  ]);
  for (const problem of problems) context.warn(problem);
  return [...builtIn, ...runbooks].sort((a, b) => (a.id < b.id ? -1 : 1));
}
