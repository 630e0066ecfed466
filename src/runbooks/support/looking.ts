import type { RunbookServices } from '../engine/definition.js';
import { registerBornSecret } from '../engine/secrets.js';
import type { AnyContext } from './context.js';

/** A context for who only looks, outside of a run; what programs print is shown to nobody. */
export function lookingContext(
  services: RunbookServices,
  signal: AbortSignal,
  warn: (text: string) => void,
): AnyContext {
  return {
    runId: '',
    input: {},
    services: {
      ...services,
      database: async () => ({ ...(await services.database()), readOnly: true }),
    },
    signal,
    readOnly: true,
    results: {},
    plan: undefined,
    output: () => undefined,
    warn,
    progress: () => undefined,
    secret: registerBornSecret,
  };
}
