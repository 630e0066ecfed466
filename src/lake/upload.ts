import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import {
  errorCode,
  failed,
  invalid,
  isOperatorError,
  refused,
  throwIfAborted,
} from '../system/errors.js';
import { describeFileError } from '../system/files.js';
import type { JobContext } from '../system/progress.js';
import { checkKey } from './key.js';
import type { Key, Lake, Layer } from './lake.js';
import { uploadKey, uploadsKey } from './layout.js';

export interface UploadRequest {
  /** Files and directories. A file keeps its name, what is in a directory its path from there. */
  paths: readonly string[];
  layer: Layer;
  /** Put in front of the names, such as `2026/11`. */
  prefix: string;
  /** Whether what is there with another content may be replaced. */
  replace: boolean;
}

export interface UploadResult {
  layer: Layer;
  files: { key: Key; bytes: number; state: 'uploaded' | 'skipped' }[];
  uploaded: number;
  /** Those that were there already, by checksum. */
  skipped: number;
  /** Of those uploaded. */
  bytes: number;
  seconds: number;
}

interface Source {
  path: string;
  key: Key;
  bytes: number;
  /** Milliseconds; a file that changes is not what was hashed. */
  modifiedAt: number;
}

/** What is known of uploaded objects, by key: spares reading them to compare checksums. */
type Known = Record<Key, { sha256: string; etag: string }>;

/**
 * Copies files into a layer. What is there already with the same SHA-256 is skipped, so an
 * interrupted upload goes on where it stopped; manifests come last, so no batch shows before its
 * files are there.
 *
 * Errors: `UPLOAD_CONFLICT` (exit 3) before anything is copied, `FILE_NOT_FOUND` (exit 2),
 * `FILE_CHANGED`, `INTERRUPTED`, and those of the lake.
 */
export async function uploadFiles(
  lake: Lake,
  request: UploadRequest,
  job: JobContext,
): Promise<UploadResult> {
  const started = performance.now();
  const sources = await findSources(request);
  const record = new UploadRecord(lake, request.layer);
  const pending = await comparePresent(lake, sources, { record, job });
  const conflicts = pending.filter(({ present }) => present !== undefined);
  if (conflicts.length > 0 && !request.replace) throw conflictError(lake, conflicts);
  const total = pending.reduce((sum, { bytes }) => sum + bytes, 0);
  const task = 'upload';
  job.report({ type: 'started', task, total, unit: 'bytes' });
  const uploaded = new Set<Key>();
  let done = 0;
  try {
    for (const file of pending) {
      throwIfAborted(job.signal);
      const condition = file.present === undefined ? { ifAbsent: true } : { ifMatch: file.present };
      const { etag, bytes } = await lake.putFile(file.key, file.path, { ...condition, keep: true });
      const now = await stat(file.path);
      if (bytes !== file.bytes || now.mtimeMs !== file.modifiedAt) throw changedMeanwhile(file);
      record.add(file.key, { sha256: file.sha256, etag });
      uploaded.add(file.key);
      done += bytes;
      job.report({ type: 'progress', task, done, total, unit: 'bytes' });
    }
  } finally {
    await record.save();
  }
  const seconds = (performance.now() - started) / 1000;
  job.report({ type: 'finished', task, seconds, summary: `${uploaded.size} files` });
  return {
    layer: request.layer,
    files: sources.map(({ key, bytes }) => ({
      key,
      bytes,
      state: uploaded.has(key) ? 'uploaded' : 'skipped',
    })),
    uploaded: uploaded.size,
    skipped: sources.length - uploaded.size,
    bytes: done,
    seconds,
  };
}

async function findSources({ paths, layer, prefix }: UploadRequest): Promise<Source[]> {
  const sources = new Map<Key, Source>();
  for (const path of paths) {
    for (const { from, name } of await filesBelow(resolve(path))) {
      const key = checkKey(uploadKey(layer, prefix === '' ? name : `${prefix}/${name}`));
      const other = sources.get(key);
      if (other !== undefined && other.path !== from) {
        throw invalid('UPLOAD_AMBIGUOUS', `${other.path} and ${from} would both become ${key}.`, {
          hint: 'Upload them apart, with different --prefix.',
        });
      }
      const { size: bytes, mtimeMs: modifiedAt } = await stat(from);
      sources.set(key, { path: from, key, bytes, modifiedAt });
    }
  }
  const isManifest = ({ key }: Source) => key.endsWith('/manifest.json');
  return [...sources.values()].sort(
    (a, b) => Number(isManifest(a)) - Number(isManifest(b)) || (a.key < b.key ? -1 : 1),
  );
}

async function filesBelow(path: string): Promise<{ from: string; name: string }[]> {
  try {
    const stats = await stat(path);
    if (stats.isFile()) return [{ from: path, name: basename(path) }];
    const found: { from: string; name: string }[] = [];
    for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
      const from = join(entry.parentPath, entry.name);
      const name = from.slice(path.length + 1).replaceAll('\\', '/');
      // Names that begin with a dot are the operating system's and no data.
      if (name.split('/').some((part) => part.startsWith('.'))) continue;
      if (entry.isSymbolicLink()) throw linkInside(from);
      if (entry.isFile()) found.push({ from, name });
    }
    return found;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOTDIR') {
      throw invalid('FILE_NOT_FOUND', `${path} is neither a file nor a directory.`, {
        hint: 'Check the path; what is read from a device or a pipe has to be saved as a file first.',
      });
    }
    if (code !== 'ENOENT') throw describeFileError(error, path);
    throw invalid('FILE_NOT_FOUND', `There is no file or directory ${path}.`, {
      hint: 'Check the path.',
    });
  }
}

/** Left out, it would be missing in silence; followed, it may lead in circles. */
const linkInside = (path: string) =>
  invalid(
    'UPLOAD_SYMLINK',
    `${path} is a symbolic link; links inside directories are not followed.`,
    {
      hint: 'Put the file itself there, or name what the link leads to on the command line.',
    },
  );

interface Pending extends Source {
  sha256: string;
  /** Etag of what is there with another content. */
  present: string | undefined;
}

/** The sources that are not yet there with the same content. */
async function comparePresent(
  lake: Lake,
  sources: readonly Source[],
  { record, job }: { record: UploadRecord; job: JobContext },
): Promise<Pending[]> {
  const pending: Pending[] = [];
  for (const source of sources) {
    throwIfAborted(job.signal);
    const sha256 = await hashStream(createReadStream(source.path, { highWaterMark: 1 << 20 }));
    const present = await lake.head(source.key);
    if (present === undefined) {
      pending.push({ ...source, sha256, present: undefined });
      continue;
    }
    const same =
      present.bytes === source.bytes &&
      sha256 ===
        ((await record.sha256(source.key, present.etag)) ??
          (await hashStream(await lake.openRead(source.key))));
    if (!same) pending.push({ ...source, sha256, present: present.etag });
  }
  return pending;
}

async function hashStream(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Checksums of earlier uploads. Only spares work: without it, what is there is read and hashed. */
class UploadRecord {
  readonly #lake: Lake;
  readonly #key: Key;
  readonly #added: Known = {};
  #known: Promise<Known> | undefined;

  constructor(lake: Lake, layer: Layer) {
    this.#lake = lake;
    this.#key = uploadsKey(layer);
  }

  /** Undefined when it is not known for this version of the object. */
  async sha256(key: Key, etag: string): Promise<string | undefined> {
    this.#known ??= this.#read().then(({ known }) => known);
    const entry = (await this.#known)[key];
    return entry?.etag === etag ? entry.sha256 : undefined;
  }

  add(key: Key, entry: Known[Key]): void {
    this.#added[key] = entry;
  }

  /** Adds what was uploaded to what others may have added meanwhile. */
  async save(): Promise<void> {
    if (Object.keys(this.#added).length === 0) return;
    for (let attempt = 0; attempt < 5; attempt += 1) {
      try {
        const { known, etag } = await this.#read();
        const body = `${JSON.stringify({ ...known, ...this.#added }, null, 1)}\n`;
        const condition = etag === undefined ? { ifAbsent: true } : { ifMatch: etag };
        await this.#lake.put(this.#key, body, condition);
        return;
      } catch (error) {
        // The upload itself succeeded, or failed with an error that matters more.
        if (!isOperatorError(error)) throw error;
        if (!['OBJECT_EXISTS', 'OBJECT_CHANGED'].includes(error.code)) return;
      }
    }
  }

  async #read(): Promise<{ known: Known; etag: string | undefined }> {
    const found = await this.#lake.readVersion(this.#key);
    if (found === undefined) return { known: {}, etag: undefined };
    try {
      return { known: JSON.parse(found.body.toString('utf8')) as Known, etag: found.etag };
    } catch {
      // Damaged by hand: it is written anew.
      return { known: {}, etag: found.etag };
    }
  }
}

function conflictError(lake: Lake, conflicts: readonly Source[]) {
  const shown = conflicts.slice(0, 3).map(({ key }) => key);
  const more =
    conflicts.length > shown.length ? ` and ${conflicts.length - shown.length} more` : '';
  return refused(
    'UPLOAD_CONFLICT',
    `${conflicts.length} objects are in ${lake.description} already with another content: ${shown.join(', ')}${more}. Nothing was uploaded.`,
    { hint: 'Upload below another --prefix, or give --replace to overwrite them.' },
  );
}

const changedMeanwhile = ({ path, key }: Source) =>
  failed('FILE_CHANGED', `${path} was changed while it was uploaded to ${key}.`, {
    hint: 'Wait until it is complete, then run it again with --replace.',
  });
