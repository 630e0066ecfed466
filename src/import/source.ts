import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { errorCode, errorMessage, failed, invalid, throwIfAborted } from '../system/errors.js';
import { describeFileError } from '../system/files.js';

const chunkBytes = 1 << 20;
const lineFeed = 0x0a;

const archives: { magic: number[]; what: string }[] = [
  { magic: [0x50, 0x4b, 0x03, 0x04], what: 'a zip archive' },
  { magic: [0x42, 0x5a, 0x68], what: 'compressed with bzip2' },
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a], what: 'compressed with xz' },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], what: 'compressed with zstd' },
  { magic: [0x50, 0x41, 0x52, 0x31], what: 'a Parquet file' },
];

/** Something to import. */
export interface Source {
  /** As the operator named it: in messages, results and the rejects file. */
  path: string;
  /** The regular file that holds its bytes. */
  file: string;
}

const startsWith = (head: Uint8Array, magic: readonly number[]): boolean =>
  magic.every((byte, index) => head[index] === byte);

async function readHead(path: string): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    const head = Buffer.alloc(8);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function describeSourceError(error: unknown, path: string): unknown {
  const code = errorCode(error) ?? '';
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return invalid('IMPORT_FILE_NOT_FOUND', `There is no file ${path}.`, {
      hint: 'Check the path; give files or a directory of files.',
      cause: error,
    });
  }
  if (code === 'Z_BUF_ERROR') {
    return failed('IMPORT_FILE_TRUNCATED', `${path} ends in the middle of its gzip data.`, {
      hint: 'The file was cut short: fetch it again. Nothing was loaded.',
      cause: error,
    });
  }
  if (code.startsWith('Z_')) {
    return failed('IMPORT_FILE_CORRUPT', `${path} is damaged: ${errorMessage(error)}.`, {
      hint: 'Its gzip data cannot be unpacked: fetch it again. Nothing was loaded.',
      cause: error,
    });
  }
  return describeFileError(error, path);
}

/**
 * The bytes of a source in chunks, unpacked when they are gzip (told by content, all members).
 * `onBytes` is told how many bytes of the file were read so far. Throws `IMPORT_FILE_NOT_FOUND`,
 * `IMPORT_FILE_TRUNCATED`, `IMPORT_FILE_CORRUPT`, `IMPORT_FILE_PACKED`, `PERMISSION_DENIED`.
 */
export async function* readSource(
  { path, file: name }: Source,
  signal: AbortSignal,
  onBytes: (bytes: number) => void = () => undefined,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    const head = await readHead(name);
    const archive = archives.find(({ magic }) => startsWith(head, magic));
    if (archive !== undefined) {
      throw invalid('IMPORT_FILE_PACKED', `${path} is ${archive.what}.`, {
        hint: 'Import reads CSV, TSV and JSON Lines, plain or gzip-compressed: convert it first.',
      });
    }
    const file = createReadStream(name, { highWaterMark: chunkBytes });
    const bytes = startsWith(head, [0x1f, 0x8b])
      ? // The iteration below reports the pipeline's error.
        pipeline(file, createGunzip({ chunkSize: chunkBytes }), () => undefined)
      : file;
    for await (const chunk of bytes) {
      throwIfAborted(signal);
      onBytes(file.bytesRead);
      yield chunk as Buffer;
    }
  } catch (error) {
    throw describeSourceError(error, path);
  }
}

/**
 * The first bytes of a source, unpacked: `least`, and on to the end of the first line, but at most
 * `limit`. `complete`: that is all there is.
 */
export async function peekSource(
  source: Source,
  { least, limit }: { least: number; limit: number },
  signal: AbortSignal,
): Promise<{ head: Buffer; complete: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  let lineEnds = false;
  for await (const chunk of readSource(source, signal)) {
    chunks.push(chunk);
    length += chunk.length;
    lineEnds ||= chunk.includes(lineFeed);
    if (length < (lineEnds ? least : limit)) continue;
    const head = Buffer.concat(chunks);
    const firstLine = lineEnds ? head.indexOf(lineFeed) + 1 : limit;
    return { head: head.subarray(0, Math.min(Math.max(least, firstLine), limit)), complete: false };
  }
  return { head: Buffer.concat(chunks), complete: true };
}
