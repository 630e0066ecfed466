import { resolve } from 'node:path';
import type { SinkSettings } from '../../config/credentials-schema.js';
import type { Lookup } from '../../config/environment.js';
import { registerSecret } from '../../system/redact.js';
import type { AwsAccess } from '../aws/access.js';
import type { RunProgram, Sink } from './sink.js';

export interface SinkSurroundings {
  lookup: Lookup;
  /** Where relative paths start. */
  directory: string;
  /** How AWS is reached at the moment; asked for by sinks of AWS only. */
  aws(): Promise<AwsAccess>;
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
  const { signal, runProgram, lookup } = around;
  const inRegion = (region: string | undefined) => async () => {
    const access = await around.aws();
    return region === undefined ? access : { ...access, region };
  };
  switch (settings.kind) {
    case 'env-file': {
      const { EnvFileSink } = await import('./env-file.js');
      return new EnvFileSink(resolve(around.directory, settings.path));
    }
    case 'secrets-manager': {
      const { SecretsManagerSink } = await import('./secrets-manager.js');
      return new SecretsManagerSink(settings.name, inRegion(settings.region));
    }
    case 'parameter-store': {
      const { ParameterStoreSink } = await import('./parameter-store.js');
      const { name, kmsKeyId, region } = settings;
      return new ParameterStoreSink(name, kmsKeyId, inRegion(region));
    }
    case 'github': {
      const { GithubSink } = await import('./github.js');
      const { api, repository, name, environment } = settings;
      const token = lookup('GITHUB_TOKEN')?.value;
      registerSecret(token);
      return new GithubSink({ api, repository, name, environment, token, signal });
    }
    case 'command': {
      const { CommandSink } = await import('./command.js');
      return new CommandSink(settings.write, settings.read, runProgram);
    }
  }
}
