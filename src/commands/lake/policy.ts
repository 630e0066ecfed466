import { Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { type PolicyDocument, type Role, roles } from '../../lake/policy.js';

interface PolicyResult {
  role: Role;
  policy: PolicyDocument;
}

export default class LakePolicy extends ReviewopsCommand<PolicyResult> {
  static override summary = 'Print the IAM policy that gives a role its rights on the lake.';
  static override description =
    'The rights a role needs and no others, for the buckets of the configuration. admin sets up buckets and writes all layers; data-engineer writes all layers; analyst reads bronze, silver and gold; frontend reads gold. Prints nothing but the document, ready for a file. Reaches no store.';
  static override examples = [
    '<%= config.bin %> lake policy --role analyst --profile prod > analyst.json',
  ];
  static override flags = {
    role: Flags.option({ options: roles, required: true, description: 'Whose rights.' })(),
  };

  override async execute(context: CommandContext): Promise<PolicyResult> {
    const { role } = this.input(LakePolicy).flags;
    const { policyFor } = await import('../../lake/policy.js');
    const { lakeIsLocal } = await import('../../lake/buckets.js');
    const { lake } = await context.config();
    const around = await context.lakeSurroundings();
    const policy = await policyFor(role, lake, around);
    if (policy !== null) return { role, policy };
    // Policies are written before there are buckets, often from a machine whose own lake is local.
    const meant = await policyFor(role, { ...lake, kind: 's3' }, around);
    if (meant === null) throw lakeIsLocal('rights on it are those of the file system');
    context.warn(
      'The lake of this configuration is a local directory; these are the rights on the buckets it would have on S3 (lake.s3).',
    );
    return { role, policy: meant };
  }

  override render({ policy }: PolicyResult): string {
    return JSON.stringify(policy, null, 2);
  }
}
