import { type FileHandle, open } from 'node:fs/promises';
import { FormatProblem, Reader, type Struct } from './thrift.js';

/** Ids of the fields of the footer, as `parquet.thrift` numbers them. */
export const fileField = {
  schema: 2,
  rows: 3,
  groups: 4,
  metadata: 5,
  createdBy: 6,
  orders: 7,
  encryption: 8,
};
export const schemaField = {
  type: 1,
  length: 2,
  repetition: 3,
  name: 4,
  children: 5,
  converted: 6,
  scale: 7,
  precision: 8,
  logical: 10,
};

/** At both ends of every file. */
export const magic = 'PAR1';
/** In place of it when the footer is encrypted. */
const encryptedMagic = 'PARE';
/** The length of the footer and the magic number behind it. */
const tailBytes = 8;
/** Larger ones belong to files that nobody here writes. */
const mostBytes = 64 * 1024 * 1024;

/** Reads a footer; `bytes` is the size of the file. @throws FormatProblem where there is none */
export async function readFooter(handle: FileHandle): Promise<{ bytes: number; metadata: Struct }> {
  const { size } = await handle.stat();
  if (size < magic.length + tailBytes) throw new FormatProblem('it is too short');
  const [head, tail] = await Promise.all([
    readAt(handle, 0, magic.length),
    readAt(handle, size - tailBytes, tailBytes),
  ]);
  const marks = [head.toString('latin1'), tail.toString('latin1', 4)];
  if (marks.includes(encryptedMagic)) throw new FormatProblem('it is encrypted');
  if (marks.some((mark) => mark !== magic)) {
    throw new FormatProblem('the marks of a Parquet file are missing');
  }
  const length = tail.readUInt32LE(0);
  if (length > mostBytes || length > size - tailBytes - magic.length) {
    throw new FormatProblem('its footer has an impossible length');
  }
  const metadata = new Reader(await readAt(handle, size - tailBytes - length, length)).struct();
  if (metadata.has(fileField.encryption)) throw new FormatProblem('it is encrypted');
  return { bytes: size, metadata };
}

/**
 * How many rows a file has, and its top-level columns in order, without the query engine, which
 * takes longer to load than all health checks together.
 *
 * @throws FormatProblem for what is no whole Parquet file
 */
export async function readRowsAndColumns(
  path: string,
): Promise<{ rows: number; columns: string[] }> {
  const handle = await open(path);
  try {
    const { metadata } = await readFooter(handle);
    const columns = topLevel(metadata.structs(fileField.schema));
    return { rows: metadata.number(fileField.rows), columns };
  } finally {
    await handle.close();
  }
}

/** The schema is a tree, written from the top, each element before its children. */
function topLevel(elements: readonly Struct[]): string[] {
  if (elements.length === 0) throw new FormatProblem('its footer lacks the schema');
  const names: string[] = [];
  let index = 1;
  const pass = (): void => {
    const children = elements[index]?.int(schemaField.children) ?? 0;
    index += 1;
    for (let child = 0; child < children && index < elements.length; child += 1) pass();
  };
  while (index < elements.length) {
    names.push(elements[index]?.bytes(schemaField.name)?.toString() ?? '');
    pass();
  }
  return names;
}

/** Reads exactly this many bytes. @throws FormatProblem where the file ends before */
export async function readAt(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) throw new FormatProblem('it ends too early');
    done += bytesRead;
  }
  return bytes;
}
