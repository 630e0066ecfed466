import { isPublic, type Values } from '../../credentials/record.js';
import { secretForms } from '../../credentials/secret.js';
import type { AnyContext } from './context.js';

/** Keeps a secret, in every form in which a program may show it, out of all that is shown. */
export function hide(context: Pick<AnyContext, 'secret'>, value: string): void {
  for (const form of secretForms(value)) context.secret(form);
}

/** The same for all of the values but ids. */
export function hideValues(context: Pick<AnyContext, 'secret'>, values: Values): void {
  for (const [name, value] of Object.entries(values)) if (!isPublic(name)) hide(context, value);
}
