import { resolve } from 'node:path';
import type { SinkSettings } from '../../config/credentials-schema.js';
import type { Lookup } from '../../config/environment.js';
import { EnvFileSink } from './env-file.js';
import type { RunProgram, Sink } from './sink.js';

export interface SinkSurroundings {
  lookup: Lookup;
  /** Where relative paths start. */
  directory: string;
  runProgram: RunProgram;
  signal: AbortSignal;
}

/** The sinks of the configuration; without any, the `.env` beside it. Reaches nothing yet. */
export async function openSinks(
  settings: readonly SinkSettings[],
  around: SinkSurroundings,
): Promise<Sink[]> {
  const wanted: readonly SinkSettings[] =
    settings.length === 0 ? [{ kind: 'env-file', path: '.env' }] : settings;
  return Promise.all(wanted.map((one) => openSink(one, around)));
}

async function openSink(settings: SinkSettings, around: SinkSurroundings): Promise<Sink> {
  switch (settings.kind) {
    case 'env-file':
      return new EnvFileSink(resolve(around.directory, settings.path));
    default:
      throw new Error(`No sink of kind ${settings.kind}.`);
  }
}
