import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';

interface InitResult {
  /** Names of the migrations that this run applied. */
  applied: string[];
  alreadyApplied: number;
  schema: 'current';
  /** `host:port/database`. */
  target: string;
}

export default class DbInit extends ReviewopsCommand<InitResult> {
  static override summary = 'Create the tables, or bring them up to date.';
  static override description =
    'Makes the business tables (unless source.managed is false), the serving table and the schema maintenance. Data is kept; what is there already is left alone, so it can be run at any time. Either everything is applied or nothing. Refuses a schema that a newer version made.';
  static override examples = ['<%= config.bin %> db init'];

  override async execute(context: CommandContext): Promise<InitResult> {
    const { migrate } = await import('../../database/migrate.js');
    const target = await context.database();
    const done = await migrate(target, await context.config(), context.job);
    return { ...done, schema: 'current', target: target.description };
  }

  override render({ applied, alreadyApplied, target }: InitResult): string {
    if (applied.length === 0) {
      return `The schema of ${target} is current (${alreadyApplied} migrations).`;
    }
    const lines = applied.map((name) => `  ${name}`);
    return [`Applied ${applied.length} migrations to ${target}:`, ...lines].join('\n');
  }
}
