import { stringify } from 'yaml';
import { allSettings } from './settings.js';

/**
 * A configuration file with every setting as a comment that holds its default, and the two
 * built-in profiles. Valid as it is, and it changes nothing until a line is uncommented.
 */
export function configTemplate(): string {
  const lines = [
    '# The configuration of reviewops. Every setting is shown with its default: uncomment to change.',
    '# Secrets have no place here: they come from the environment or from .env (NEON_DB_URL,',
    '# REVIEWOPS_PSEUDONYM_KEY). `reviewops config check` checks this file; `reviewops config show`',
    '# says what is in force, and why.',
  ];
  let open: readonly string[] = [];
  // A description that a whole section shares is said once.
  let said = '';
  for (const setting of allSettings()) {
    const section = setting.path.slice(0, -1);
    lines.push(...headings(open, section));
    open = section;
    const pad = '  '.repeat(section.length);
    const words = setting.choices.length > 1 ? ` One of: ${setting.choices.join(', ')}.` : '';
    if (setting.description !== said) lines.push(...wrap(setting.description + words, `${pad}# `));
    said = setting.description;
    lines.push(`${pad}# ${setting.path.at(-1)}: ${defaultText(setting.default)}`.trimEnd());
  }
  return `${[...lines, ...profiles].join('\n')}\n`;
}

const profiles = [
  '',
  '# What differs by profile, chosen with --profile NAME or REVIEWOPS_PROFILE; the default is dev.',
  '# A name of your own makes another profile.',
  'profiles:',
  '  dev:',
  '    # pipeline:',
  '    #   memoryLimit: 512MB',
  '  prod:',
  '    # pipeline:',
  '    #   memoryLimit: 2GB',
];

/** The section names that lie between the one that is open and the one that is wanted. */
function headings(open: readonly string[], wanted: readonly string[]): string[] {
  let shared = 0;
  while (shared < open.length && open[shared] === wanted[shared]) shared += 1;
  return wanted.slice(shared).flatMap((name, index) => {
    const depth = shared + index;
    return [...(depth === 0 ? [''] : []), `${'  '.repeat(depth)}${name}:`];
  });
}

const defaultText = (value: unknown): string =>
  value === undefined ? '' : stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim();

function wrap(text: string, prefix: string, width = 100): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && prefix.length + line.length + word.length >= width) {
      lines.push(prefix + line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, prefix + line];
}
