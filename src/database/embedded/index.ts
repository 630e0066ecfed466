export { planReset, type ResetPlan, resetEmbedded } from './reset.js';
export { type EmbeddedOptions, ensureEmbedded, stopEmbedded } from './server.js';
export { type EmbeddedStatus, embeddedStatus } from './status.js';
