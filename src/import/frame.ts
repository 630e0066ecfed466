import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { throwIfAborted } from '../system/errors.js';
import { describeFileError } from '../system/files.js';
import { type Container, Framer } from './framer.js';
import type { RejectsFile } from './rejects.js';
import { readSource, type Source } from './source.js';

export interface FramedFile {
  /** As the operator named it. */
  path: string;
  /** Canonical CSV: line number, then the fields (or the one JSON line). */
  canonical: string;
  header: string[] | undefined;
  records: number;
  malformed: number;
  blankLines: number;
}

export interface FrameOptions {
  source: Source;
  container: Container;
  canonical: string;
  rejects: RejectsFile;
  signal: AbortSignal;
  /** Bytes read so far, of the file as stored. */
  onBytes: (done: number) => void;
}

/**
 * Reads a source into a canonical CSV scratch file; malformed records go to the rejects. Memory is
 * bounded by the largest record. Errors: those of `readSource`, `DISK_FULL`.
 */
export async function frameFile(options: FrameOptions): Promise<FramedFile> {
  const { source, container, canonical, rejects, signal, onBytes } = options;
  const { path } = source;
  const framer = new Framer(container, (record) =>
    rejects.add({ file: path, line: record.line, ...described(record) }),
  );
  let handle: FileHandle | undefined;
  try {
    handle = await open(canonical, 'w', 0o600);
    for await (const chunk of readSource(source, signal, onBytes)) {
      await writeAll(handle, framer.push(chunk));
      await rejects.flush();
      throwIfAborted(signal);
    }
    await writeAll(handle, framer.end());
    await rejects.flush();
  } catch (error) {
    throw describeFileError(error, canonical);
  } finally {
    await handle?.close();
  }
  const { header, records, malformed, blankLines } = framer;
  return { path, canonical, header, records, malformed, blankLines };
}

const described = ({ rule, reason, record }: { rule: string; reason: string; record: string }) => ({
  rule,
  reason,
  record,
});

async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written)).bytesWritten;
  }
}
