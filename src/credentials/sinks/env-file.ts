import { isUtf8 } from 'node:buffer';
import { constants } from 'node:fs';
import { access, chown, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parse } from 'dotenv';
import { errorCode, failed, invalid } from '../../system/errors.js';
import { describeFileError, syncDirectory } from '../../system/files.js';
import type { Values } from '../record.js';
import { removeVariables, setVariables } from './env-text.js';
import { pick, type Sink } from './sink.js';

/** Ends the names of variables that are staged: no consumer reads them. */
const stagedSuffix = '__NEXT';

const stagedName = (name: string): string => `${name}${stagedSuffix}`;

/** Only the owner reads it. */
const mode = 0o600;

/**
 * A `.env` file. It is replaced in one step, durably; it stays whose it was, and every line but
 * those of the credential stays as it was.
 */
export class EnvFileSink implements Sink {
  readonly id: string;
  readonly readable = true;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.id = `env-file ${path}`;
  }

  async probe(): Promise<void> {
    const path = await this.#target();
    await rm(temporaryOf(path), { force: true });
    await readBytes(path);
    await access(dirname(path), constants.W_OK).catch((error: unknown) => {
      throw describe(error, dirname(path));
    });
  }

  async current(names: readonly string[]): Promise<Values | undefined> {
    const bytes = await readBytes(await this.#target());
    return pick(parse(bytes === undefined ? '' : bytes.toString(encodingOf(bytes))), names);
  }

  async staged(names: readonly string[]): Promise<Values | undefined> {
    const staged = await this.current(names.map(stagedName));
    return (
      staged &&
      pick(Object.fromEntries(names.map((name) => [name, staged[stagedName(name)]])), names)
    );
  }

  async stage(values: Values): Promise<void> {
    const entries = Object.entries(values).map(([name, value]) => [stagedName(name), value]);
    await this.#change((text) => setVariables(text, Object.fromEntries(entries)));
  }

  async unstage(names: readonly string[]): Promise<void> {
    await this.#change((text) => removeVariables(text, names.map(stagedName)));
  }

  async promote(values: Values): Promise<void> {
    const staged = Object.keys(values).map(stagedName);
    await this.#change((text) => setVariables(removeVariables(text, staged), values));
  }

  /** Where the file really is: a link stays a link. */
  async #target(): Promise<string> {
    try {
      return await realpath(this.#path);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return this.#path;
      throw describe(error, this.#path);
    }
  }

  async #change(edit: (text: string) => string): Promise<void> {
    const path = await this.#target();
    const before = await readBytes(path);
    const encoding = encodingOf(before ?? Buffer.alloc(0));
    const after = Buffer.from(edit(before?.toString(encoding) ?? ''), encoding);
    if (before === undefined ? after.length === 0 : after.equals(before)) return;
    await this.#replace(path, before, after);
  }

  async #replace(path: string, before: Buffer | undefined, after: Buffer): Promise<void> {
    // One name, so that what a power cut leaves behind is found and removed by the next command.
    const temporary = temporaryOf(path);
    try {
      await rm(temporary, { force: true });
      const handle = await open(temporary, 'wx', mode);
      try {
        await handle.writeFile(after);
        await keepOwner(path, temporary);
        await handle.sync();
      } finally {
        await handle.close();
      }
      const now = await readBytes(path);
      const same = now === undefined ? before === undefined : before?.equals(now) === true;
      if (!same) throw changed(path);
      await rename(temporary, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      await rm(temporary, { force: true });
      throw describeFileError(error, path);
    }
  }
}

const temporaryOf = (path: string): string => join(dirname(path), `.${basename(path)}.next.tmp`);

async function keepOwner(path: string, temporary: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  try {
    const { uid, gid } = await stat(path);
    await chown(temporary, uid, gid);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/** Other lines may hold bytes that are no UTF-8: one character each, they stay as they are. */
const encodingOf = (bytes: Buffer): 'utf8' | 'latin1' => (isUtf8(bytes) ? 'utf8' : 'latin1');

async function readBytes(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw describe(error, path);
  }
}

/** A place where no file can be is the operator's to cure, too. */
function describe(error: unknown, path: string): unknown {
  const code = errorCode(error) ?? '';
  if (!['ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG'].includes(code))
    return describeFileError(error, path);
  return invalid('SINK_PATH_INVALID', `${path} cannot be a file (${code}).`, {
    hint: 'Correct the path of the sink (credentials, env-file).',
    cause: error,
  });
}

const changed = (path: string) =>
  failed('SINK_CHANGED', `${path} was changed by somebody else at the same moment.`, {
    hint: 'Nothing was written to it. Run it again.',
  });
