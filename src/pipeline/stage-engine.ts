import { type Engine, type EngineOptions, openEngine } from '../engine/session.js';
import type { StageContext } from './stage.js';

/** A session with the limits of the configuration; what exceeds them goes to scratch files. */
export const openStageEngine = (
  context: StageContext,
  scratch: string,
  options: Pick<EngineOptions, 'inPieces'> = {},
): Promise<Engine> =>
  openEngine({
    ...options,
    memoryLimit: context.config.pipeline.memoryLimit,
    threads: context.config.pipeline.threads,
    scratch,
    signal: context.signal,
  });
