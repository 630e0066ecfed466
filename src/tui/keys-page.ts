import { type Binding, bindings, type Context } from './keys.js';
import { keyName } from './view/key-names.js';

const places: Record<Context, string> = {
  everywhere: 'Everywhere',
  home: 'On the first screen',
  list: 'In lists',
  incident: 'On incidents',
  runbook: 'While a runbook is read',
  form: 'In the form of the inputs',
  run: 'While a run is shown',
  steps: 'Beside the steps',
  panel: 'In a panel',
  answer: 'In the answer to a question',
  filter: 'While something is searched',
  help: 'In the help',
  palette: 'In the palette',
  prompt: 'When something is asked',
};

const cell = (text: string): string => text.replaceAll('|', '\\|');

const keysCell = ({ keys, commands = [] }: Binding): string =>
  [
    ...keys.map((key) => `\`${keyName(key)}\``),
    ...commands.slice(0, 1).map((name) => `\`:${name}\``),
  ].join(' ');

/** Every key, by where it means something, as Markdown. */
export function keysPage(): string {
  const sections = (Object.keys(places) as Context[]).map((context) => {
    const rows = bindings
      .filter((binding) => binding.context === context)
      .map((binding) => `| ${cell(keysCell(binding))} | ${cell(binding.description)} |`);
    return [`### ${places[context]}`, '', '| key | |', '|---|---|', ...rows].join('\n');
  });
  return sections.join('\n\n');
}
