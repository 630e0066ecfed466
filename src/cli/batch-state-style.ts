import type { BatchState } from '../lake/batch-state.js';
import type { Style } from './terminal.js';

const styles = { complete: 'green', partial: 'yellow', corrupt: 'red', running: 'bold' } as const;

/** How a batch's state looks in every command that shows it. */
export const stateStyle = (state: BatchState): Style => styles[state];
