import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { changeFlags, dryRunFlag } from '../../cli/flags.js';
import type { BucketPlan, ProvisionPlan } from '../../lake/provision.js';

interface InitResult extends ProvisionPlan {
  /** Whether the plan was carried out. */
  applied: boolean;
  /** Whether the store keeps conditions of writes; null where that was not tried. */
  conditionalWrites: boolean | null;
}

export default class LakeInit extends ReviewopsCommand<InitResult> {
  static override summary = 'Create the buckets of the lake, and set them as they should be.';
  static override description =
    'Creates what is missing and changes only what differs: buckets, the block of public access, encryption, versions, lifecycle rules, and a policy that refuses requests without TLS; calls off uploads that nobody has completed for a day. Rules and statements of others stay. Shows the plan and asks; off a terminal it needs --yes. A local lake needs no preparation.';
  static override examples = [
    '<%= config.bin %> lake init --dry-run',
    '<%= config.bin %> lake init --profile prod --yes',
  ];
  static override flags = { ...dryRunFlag, ...changeFlags };

  override async execute(context: CommandContext): Promise<InitResult> {
    const { flags } = this.input(LakeInit);
    const { lakeBuckets } = await import('../../lake/buckets.js');
    const { actionCount, keepsConditions, planProvision, provision, unknownText } = await import(
      '../../lake/provision.js'
    );
    const { lake } = await context.config();
    const buckets = await lakeBuckets(lake, await context.lakeSurroundings());
    const plan = await planProvision(buckets);
    const count = actionCount(plan);
    const unknown = new Set(
      plan.buckets.flatMap((bucket) => bucket.unknown.map(({ name }) => name)),
    );
    if (unknown.size > 0) context.warn(unknownText([...unknown]));
    if (flags['dry-run']) return { ...plan, applied: false, conditionalWrites: null };
    if (count > 0) {
      context.report({ type: 'notice', message: planText(plan.buckets) });
      const what = `${count} settings of ${plan.buckets.length} buckets will be changed.`;
      await context.confirmChange(what, { yes: flags.yes });
      await provision(buckets, plan, context.job);
    }
    const [first] = buckets;
    // AWS does; of another store it has to be seen.
    const unproven = first?.bucket.connection.settings.endpoint !== undefined;
    const conditionalWrites = unproven ? await keepsConditions(first) : null;
    if (conditionalWrites === false) {
      context.warn(
        'This store ignores conditions of writes (If-None-Match, If-Match): it cannot keep two runs on the same batch apart. Let only one process at a time work on this lake.',
      );
    }
    return { ...plan, applied: count > 0, conditionalWrites };
  }

  override render({ buckets, applied }: InitResult): string {
    if (buckets.length === 0) return 'The lake is a local directory; there is nothing to prepare.';
    if (buckets.every(({ actions }) => actions.length === 0)) {
      return `All ${buckets.length} buckets are as they should be; nothing was changed.`;
    }
    if (!applied) return `${planText(buckets)}\nNothing was changed.`;
    return 'Done.';
  }
}

const planText = (buckets: readonly BucketPlan[]): string =>
  buckets
    .flatMap(({ bucket, layers, actions }) => [
      `${bucket} (${layers.join(', ')})${actions.length === 0 ? ': nothing to do' : ''}`,
      ...actions.map(({ action, reason }) => `  ${action}: ${reason}`),
    ])
    .join('\n');
