import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { invalid } from '../system/errors.js';
import { nearest } from '../system/nearest.js';
import { readDocument } from './document.js';
import { type Lookup, readEnvironment, type Variables } from './environment.js';
import type { ConfigDocument } from './parse-document.js';
import { configInvalid, findProblems, type Problem } from './problems.js';
import { findProjectFile } from './project-file.js';
import { builtInProfiles, type Config, configSchema } from './schema.js';
import { isSection } from './section.js';
import { allSettings } from './settings.js';

export interface LoadOptions {
  cwd: string;
  environment: NodeJS.ProcessEnv;
  /** `--config`. */
  file?: string | undefined;
  /** `--profile`. */
  profile?: string | undefined;
  warn(message: string): void;
}

export interface LoadedConfig {
  config: Config;
  profile: string;
  /** `flag --profile`, `environment REVIEWOPS_PROFILE` or `default`. */
  profileSource: string;
  /** Names that --profile takes. */
  profiles: string[];
  /** The project's configuration file; undefined when there is none. */
  file: string | undefined;
  /** The user's; undefined when there is none. */
  userFile: string | undefined;
  /** Every value with its origin: `default`, `file:line`, `environment NAME` … */
  origins: { key: string; value: unknown; source: string }[];
}

/** One place that settings come from; later ones win. */
interface Layer {
  value: Record<string, unknown>;
  source(path: readonly string[]): string;
}

/** The files a configuration is made of. */
export interface ConfigFiles {
  project: ConfigDocument | undefined;
  user: ConfigDocument | undefined;
}

/**
 * Loads the configuration: flags, environment, project file, user file, defaults, in this order of
 * precedence. All mistakes are reported at once (`CONFIG_INVALID`).
 */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const files = await readConfigFiles(options);
  const lookup = await readEnvironment({ ...options, configFile: files.project?.path });
  return combine(files, lookup, options);
}

/** Reads the project's and the user's file, without judging them. */
export async function readConfigFiles(
  options: Pick<LoadOptions, 'cwd' | 'environment' | 'file'>,
): Promise<ConfigFiles> {
  const { cwd, environment, file } = options;
  const wanted = file === undefined ? findProjectFile(cwd) : resolve(cwd, file);
  const project = wanted === undefined ? undefined : await readDocument(wanted, cwd);
  if (file !== undefined && project === undefined) {
    throw invalid('CONFIG_NOT_FOUND', `There is no configuration file ${wanted}.`, {
      hint: 'Check --config, or write one with `reviewops config init`.',
    });
  }
  const base = environment.XDG_CONFIG_HOME || join(environment.HOME || homedir(), '.config');
  const user = await readDocument(join(base, 'reviewops', 'config.yaml'), cwd);
  return { project, user };
}

/** The names --profile takes: those built in, and those of the files. */
export const profileNames = ({ project, user }: ConfigFiles): string[] => [
  ...new Set([
    ...builtInProfiles,
    ...(user?.profiles.keys() ?? []),
    ...(project?.profiles.keys() ?? []),
  ]),
];

/** Puts the layers together for one profile. */
export function combine(
  files: ConfigFiles,
  variables: Variables,
  options: Pick<LoadOptions, 'cwd' | 'environment' | 'profile' | 'warn'>,
): LoadedConfig {
  const problems = fileProblems(files);
  const { profile, profileSource } = chooseProfile(files, variables, options.profile);
  const environment = environmentLayer(variables, options.cwd);
  problems.push(...environment.problems);
  warnUnknownVariables(options.environment, options.warn);
  if (problems.length > 0) throw configInvalid(problems);

  const layers = [...fileLayers(files.user, profile), ...fileLayers(files.project, profile)];
  layers.push(environment.layer);
  const written = layers.reduce<Record<string, unknown>>((all, { value }) => merge(all, value), {});
  // Compiling the schema would take longer than this one reading without it.
  const config = configSchema.parse(written, { jitless: true });
  return {
    config,
    profile,
    profileSource,
    profiles: profileNames(files),
    file: files.project?.path,
    userFile: files.user?.path,
    origins: [...origins(config, [], layers)],
  };
}

/** Everything wrong in the files, with all their profiles. */
function fileProblems({ project, user }: ConfigFiles): Problem[] {
  return [user, project].flatMap((document) => {
    if (document === undefined) return [];
    const { base, profiles, locate } = document;
    const secrets = new Set(document.problems.map(({ where }) => where));
    const found = [
      ...findProblems(base, locate),
      ...[...profiles].flatMap(([name, value]) =>
        findProblems(value, (path, key) => locate(['profiles', name, ...path], key)).map(
          (problem) => ({ ...problem, key: `profiles.${name}.${problem.key}` }),
        ),
      ),
    ];
    // A secret under an unknown key is reported once, as a secret.
    const all = [...document.problems, ...found.filter(({ where }) => !secrets.has(where))];
    return all.sort((a, b) => lineOf(a) - lineOf(b));
  });
}

const lineOf = ({ where }: Problem): number => Number(/:(\d+):\d+$/.exec(where)?.[1] ?? 0);

function chooseProfile(files: ConfigFiles, lookup: Lookup, flag: string | undefined) {
  const variable = lookup('REVIEWOPS_PROFILE');
  const profile = flag ?? variable?.value ?? builtInProfiles[0];
  const profileSource = flag === undefined ? (variable?.source ?? 'default') : 'flag --profile';
  const names = profileNames(files);
  if (!names.includes(profile)) {
    const meant = nearest(profile, names);
    throw invalid('PROFILE_UNKNOWN', `There is no profile "${profile}" (${profileSource}).`, {
      hint: `${meant === undefined ? '' : `Did you mean ${meant}? `}Profiles: ${names.join(', ')}.`,
    });
  }
  return { profile, profileSource };
}

function fileLayers(document: ConfigDocument | undefined, profile: string): Layer[] {
  if (document === undefined) return [];
  // Without the column: a line is what people look for.
  const line = (path: readonly string[]) => document.locate(path).replace(/:\d+$/, '');
  return [
    { value: document.base, source: line },
    {
      value: document.profiles.get(profile) ?? {},
      source: (path) => `profile ${profile} (${line(['profiles', profile, ...path])})`,
    },
  ];
}

function environmentLayer(
  variables: Variables,
  cwd: string,
): { layer: Layer; problems: Problem[] } {
  let value: Record<string, unknown> = {};
  const sources = new Map<string, string>();
  const problems: Problem[] = [];
  const settings = [...variables.names].some(mayBeSetting) ? allSettings() : [];
  for (const setting of settings) {
    const variable = variables(setting.environment);
    if (variable === undefined) continue;
    const text = /^lake\..*\bpath$/.test(setting.key)
      ? resolve(cwd, variable.value)
      : setting.read(variable.value);
    const nested = setting.path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), text);
    const where = variable.source.startsWith('environment ')
      ? variable.source
      : `${variable.source} ${setting.environment}`;
    problems.push(...findProblems(nested, () => where));
    value = merge(value, nested as Record<string, unknown>);
    sources.set(setting.key, where);
  }
  return { layer: { value, source: (path) => sources.get(path.join('.')) ?? '' }, problems };
}

/** Variables with a meaning of their own, beside those of the settings. */
const otherVariables = [
  'REVIEWOPS_HOME',
  'REVIEWOPS_PROFILE',
  'REVIEWOPS_OPERATOR',
  'REVIEWOPS_PSEUDONYM_KEY',
  'REVIEWOPS_DATABASE_ADMIN_URL',
];

const mayBeSetting = (name: string): boolean =>
  name.startsWith('REVIEWOPS_') && !otherVariables.includes(name);

/** A misspelled variable would be ignored without a word. */
function warnUnknownVariables(
  environment: NodeJS.ProcessEnv,
  warn: (message: string) => void,
): void {
  const unproven = Object.keys(environment).filter(mayBeSetting);
  if (unproven.length === 0) return;
  const known = [...allSettings().map((setting) => setting.environment), ...otherVariables];
  for (const name of unproven) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    if (meant !== undefined) warn(`The variable ${name} sets nothing; did you mean ${meant}?`);
  }
}

/** Sections are merged, everything else is replaced. */
function merge(
  below: Record<string, unknown>,
  above: Record<string, unknown>,
): Record<string, unknown> {
  const merged = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const old = merged[key];
    merged[key] = isSection(value) && isSection(old) ? merge(old, value) : value;
  }
  return merged;
}

function* origins(
  value: unknown,
  path: readonly string[],
  layers: readonly Layer[],
): Generator<LoadedConfig['origins'][number]> {
  if (isSection(value) && Object.keys(value).length > 0) {
    for (const [key, inner] of Object.entries(value)) yield* origins(inner, [...path, key], layers);
    return;
  }
  const layer = layers.findLast((candidate) => has(candidate.value, path));
  yield { key: path.join('.'), value, source: layer?.source(path) ?? 'default' };
}

function has(value: Record<string, unknown>, path: readonly string[]): boolean {
  let found: unknown = value;
  for (const key of path) {
    if (!isSection(found) || !Object.hasOwn(found, key)) return false;
    found = found[key];
  }
  return true;
}
