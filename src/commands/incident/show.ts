import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { idArg } from '../../cli/incident-command.js';
import { renderIncident } from '../../cli/incident-text.js';
import type { Terminal } from '../../cli/terminal.js';
import type { IncidentDetail } from '../../incidents/read-model.js';

interface ShowResult {
  incidents: IncidentDetail[];
}

export default class IncidentShow extends ReviewopsCommand<ShowResult> {
  static override summary = 'Show an incident with its clocks and everything that happened.';
  static override examples = ['<%= config.bin %> incident show 12'];
  static override args = idArg;

  override async execute(context: CommandContext): Promise<ShowResult> {
    const { args } = this.input(IncidentShow);
    const [{ showIncident }, { incidentId, withIncidents }] = await Promise.all([
      import('../../incidents/read-model.js'),
      import('../../cli/incidents.js'),
    ]);
    const id = incidentId(args.id);
    return withIncidents(context, async (store) => ({
      incidents: [await showIncident(store, id)],
    }));
  }

  override render({ incidents }: ShowResult, terminal: Terminal): string {
    return incidents.map((incident) => renderIncident(incident, terminal)).join('\n\n');
  }
}
