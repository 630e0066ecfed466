import { Flags } from '@oclif/core';
import type { CommandContext } from '../../cli/context.js';
import { IncidentsCommand } from '../../cli/incident-command.js';
import { renderIncidents } from '../../cli/incident-text.js';
import type { Terminal } from '../../cli/terminal.js';
import type { IncidentPage } from '../../incidents/read-model.js';

export default class IncidentList extends IncidentsCommand<IncidentPage> {
  static override summary = 'List the incidents that are not closed, the most urgent first.';
  static override description =
    'A page at a time: `total` says how many there are, `nextOffset` where the next page begins.';
  static override examples = [
    '<%= config.bin %> incident list',
    '<%= config.bin %> incident list --severity P1 --status open',
    '<%= config.bin %> incident list --all --limit 200 --offset 200 --json',
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
    offset: Flags.integer({ min: 0, default: 0, description: 'Leave out so many first.' }),
  };

  override async execute(context: CommandContext): Promise<IncidentPage> {
    const { flags } = this.input(IncidentList);
    const [{ listIncidents }, { parseSeverity }, { withIncidents }, { incidents }] =
      await Promise.all([
        import('../../incidents/read-model.js'),
        import('../../incidents/severity.js'),
        import('../../cli/incidents.js'),
        context.config(),
      ]);
    const { all, limit, offset, status, owner, severity } = flags;
    const filter = {
      ...{ all, limit, offset },
      ...(status === undefined ? {} : { status }),
      ...(owner === undefined ? {} : { owner }),
      ...(severity === undefined ? {} : { severity: parseSeverity(severity, incidents.names) }),
    };
    return withIncidents(context, (store) => listIncidents(store, filter));
  }

  override render({ incidents, total, nextOffset }: IncidentPage, terminal: Terminal): string {
    const { offset } = this.input(IncidentList).flags;
    if (total === 0) return 'No incident.';
    if (incidents.length === 0) return `There are ${total} incidents, none from ${offset} on.`;
    const table = renderIncidents(incidents, terminal, new Date());
    if (offset === 0 && nextOffset === null) return table;
    const next = nextOffset === null ? '' : `; --offset ${nextOffset} shows the next`;
    return `${table}\n\n${offset + 1} to ${offset + incidents.length} of ${total}${next}.`;
  }
}
