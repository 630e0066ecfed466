import { invalid } from '../../system/errors.js';
import { registerSecret } from '../../system/redact.js';
import type { Inputs } from '../engine/definition.js';

const placeholder = /\$\{(input|env)\.([A-Za-z_]\w*)\}/g;

/** Replaces `${input.name}` by the input; an optional one that was not given becomes empty. */
export const fillIn = (text: string, input: Inputs): string =>
  text.replaceAll(placeholder, (whole, source: string, name: string) =>
    source === 'input' ? String(input[name] ?? '') : whole,
  );

/**
 * The same, and `${env.NAME}` by the variable's value, which counts as a secret from then on. Only
 * for what is not shown: environment, headers, bodies.
 *
 * @throws VARIABLE_MISSING (exit 2)
 */
export const fillInSecrets = (
  text: string,
  input: Inputs,
  environment: NodeJS.ProcessEnv,
): string =>
  text.replaceAll(placeholder, (_whole, source: string, name: string) => {
    if (source === 'input') return String(input[name] ?? '');
    const value = environment[name];
    if (value === undefined || value === '') {
      throw invalid('VARIABLE_MISSING', `The runbook needs the variable ${name}.`, {
        hint: 'Set it in the environment and run it again.',
      });
    }
    registerSecret(value);
    return value;
  });

/** Names of the inputs that a text uses. */
export const usedInputs = (text: string): string[] =>
  [...text.matchAll(placeholder)].flatMap(([, source, name]) =>
    source === 'input' && name !== undefined ? [name] : [],
  );
