import type { Field } from '../state/field.js';
import { clean } from '../text.js';
import type { Line } from './line.js';

/** A text being typed, with the cursor shown as a reversed character. */
export function fieldLine({ value, at }: Field, hint = ''): Line {
  const before = clean(value.slice(0, at));
  const [under = ' '] = value.slice(at);
  const after = clean(value.slice(at + under.length));
  return [
    { text: before },
    { text: clean(under), tone: 'selected' },
    { text: after },
    ...(value === '' && hint !== '' ? [{ text: ` ${hint}`, tone: 'dim' as const }] : []),
  ];
}
