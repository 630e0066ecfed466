import { Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import { IncidentsCommand } from '../../cli/incident-command.js';
import { renderIncidents } from '../../cli/incident-text.js';
import type { Terminal } from '../../cli/terminal.js';
import type { IncidentRow } from '../../incidents/read-model.js';

interface ListResult {
  incidents: IncidentRow[];
  /** There are more than were asked for. */
  more: boolean;
}

export default class IncidentList extends IncidentsCommand<ListResult> {
  static override summary = 'List the incidents that are not closed, the most urgent first.';
  static override examples = [
    '<%= config.bin %> incident list',
    '<%= config.bin %> incident list --all --limit 200 --json',
  ];
  static override flags = {
    all: Flags.boolean({ description: 'Closed ones too, the newest first.' }),
    status: Flags.option({
      options: ['open', 'acknowledged', 'paused', 'resolved', 'closed', 'merged'] as const,
      description: 'Only these.',
    })(),
    severity: Flags.string({ char: 's', helpValue: 'LEVEL', description: 'Only this level.' }),
    owner: Flags.string({ helpValue: 'NAME', description: 'Only of this person.' }),
    limit: Flags.integer({ min: 1, max: 10_000, default: 50, description: 'At most so many.' }),
  };

  override async execute(context: CommandContext): Promise<ListResult> {
    const { flags } = this.input(IncidentList);
    const [{ listIncidents }, { parseSeverity }, { withIncidents }] = await Promise.all([
      import('../../incidents/read-model.js'),
      import('../../incidents/severity.js'),
      import('../../cli/incidents.js'),
    ]);
    const { all, limit, status, owner } = flags;
    const { names } = (await context.config()).incidents;
    return withIncidents(context, (store) =>
      listIncidents(store, {
        all,
        limit,
        ...(status === undefined ? {} : { status }),
        ...(owner === undefined ? {} : { owner }),
        ...(flags.severity === undefined ? {} : { severity: parseSeverity(flags.severity, names) }),
      }),
    );
  }

  override render({ incidents, more }: ListResult, terminal: Terminal): string {
    if (incidents.length === 0) return 'No incident.';
    const table = renderIncidents(incidents, terminal, new Date());
    return more ? `${table}\n\nThere are more; --limit shows them.` : table;
  }
}
