import { Args } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderTable } from '../../cli/table.js';
import type { Terminal } from '../../cli/terminal.js';
import type { Runbook } from '../../runbooks/engine/definition.js';

interface Listed extends Pick<Runbook, 'id' | 'title' | 'summary' | 'risk'> {
  symptoms: readonly string[];
  tags: readonly string[];
  /** The symptom that fits the search; null without one. */
  symptom: string | null;
  score: number | null;
}

interface ListResult {
  runbooks: Listed[];
}

export default class RunbookList extends ReviewopsCommand<ListResult> {
  static override summary = 'List the runbooks, or those that fit what you see.';
  static override description =
    'With words it searches symptoms, titles and tags, best first: describe the problem as you would to a colleague, or paste the error.';
  static override examples = [
    '<%= config.bin %> runbook list',
    '<%= config.bin %> runbook list no best review',
    '<%= config.bin %> runbook list "connection refused"',
  ];
  static override strict = false;
  static override args = {
    query: Args.string({ multiple: true, description: 'What you see, in your words.' }),
  };

  override async execute(context: CommandContext): Promise<ListResult> {
    const query = this.input(RunbookList).argv.join(' ').trim();
    const [{ allRunbooks }, { searchRunbooks }] = await Promise.all([
      import('../../cli/runbook-catalogue.js'),
      import('../../runbooks/search.js'),
    ]);
    const all = await allRunbooks(context);
    const found =
      query === ''
        ? all.map((runbook) => ({ runbook, score: null, symptom: null }))
        : searchRunbooks(all, query);
    return {
      runbooks: found.map(({ runbook, score, symptom }) => {
        const { id, title, summary, risk, symptoms, tags } = runbook;
        return { id, title, summary, risk, symptoms, tags, symptom: symptom ?? null, score };
      }),
    };
  }

  override render({ runbooks }: ListResult, terminal: Terminal): string {
    const [first] = runbooks;
    if (first === undefined) {
      return 'No runbook fits. Try other words, or `reviewops runbook list` for all of them.';
    }
    const searched = first.score !== null;
    const table = renderTable(
      [{ name: 'runbook' }, { name: 'risk' }, { name: searched ? 'what you see' : 'title' }],
      runbooks.map(({ id, risk, title, symptom }) => [id, risk, symptom ?? title]),
      terminal,
    );
    return `${table}\n\nnext: reviewops runbook show ${first.id}`;
  }
}
