import { Args } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import type { InputField } from '../../cli/runbook-inputs.js';
import type { StepFace } from '../../cli/runbook-page.js';
import { paint, type Terminal } from '../../cli/terminal.js';

interface ShowResult {
  id: string;
  title: string;
  summary: string;
  risk: string;
  roles: readonly string[];
  symptoms: readonly string[];
  tags: readonly string[];
  inputs: InputField[];
  steps: StepFace[];
}

export default class RunbookShow extends ReviewopsCommand<ShowResult> {
  static override summary = 'Show a runbook: what each step does, why, and the command instead.';
  static override examples = ['<%= config.bin %> runbook show silver-missing'];
  static override args = {
    id: Args.string({ required: true, description: 'Id of the runbook.' }),
  };

  override async execute(context: CommandContext): Promise<ShowResult> {
    const { args } = this.input(RunbookShow);
    const [{ findRunbook }, { inputFields }, { stepFaces }] = await Promise.all([
      import('../../cli/runbook-catalogue.js'),
      import('../../cli/runbook-inputs.js'),
      import('../../cli/runbook-page.js'),
    ]);
    const runbook = await findRunbook(context, args.id);
    const { id, title, summary, risk, roles, symptoms, tags } = runbook;
    const steps = stepFaces(runbook);
    return { id, title, summary, risk, roles, symptoms, tags, inputs: inputFields(runbook), steps };
  }

  override render(result: ShowResult, terminal: Terminal): string {
    const { id, title, summary, risk, roles, symptoms, inputs, steps } = result;
    const bold = (text: string) => paint(terminal, 'bold', text);
    const forWhom = risk === 'read' ? 'everybody' : roles.join(', ');
    const lines = [bold(`${title} (${id}, ${risk})`), summary, `For: ${forWhom}.`, ''];
    lines.push(bold('You see'), ...symptoms.map((symptom) => `  ${symptom}`), '');
    if (inputs.length > 0) {
      lines.push(bold('Inputs'));
      for (const input of inputs) {
        const usual = 'default' in input ? `, default ${JSON.stringify(input.default)}` : '';
        const need = input.required ? ', required' : usual;
        lines.push(`  ${input.name} (${input.type}${need}): ${input.description}`);
      }
      lines.push('');
    }
    lines.push(bold('Steps'));
    for (const [index, step] of steps.entries()) {
      lines.push(`  ${index + 1}. ${bold(step.title)} (${step.kind})`, `     ${step.why}`);
      for (const line of step.manual.split('\n')) {
        lines.push(`     ${paint(terminal, 'dim', `$ ${line}`)}`);
      }
    }
    lines.push('', `next: reviewops runbook run ${id}${risk === 'read' ? '' : ' --dry-run'}`);
    return lines.join('\n');
  }
}
