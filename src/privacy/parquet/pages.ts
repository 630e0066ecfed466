import type { FileHandle } from 'node:fs/promises';
import { readAt } from '../../engine/parquet-footer.js';
import { FormatProblem, Reader, type Struct } from '../../engine/thrift.js';
import type { ChunkPlace } from './file.js';

export const pageField = {
  type: 1,
  uncompressed: 2,
  compressed: 3,
  checksum: 4,
  data: 5,
  dictionary: 7,
  dataV2: 8,
};
export const pageType = { data: 0, index: 1, dictionary: 2, dataV2: 3 };

/** Larger ones are not taken into memory. */
const largestPage = 512 * 2 ** 20;

export interface Page {
  header: Struct;
  type: number;
  /** Header and body. */
  start: number;
  headerBytes: number;
  bodyBytes: number;
  /** Of the body, when it is decompressed. */
  uncompressed: number;
}

const usualHeader = 512;

/**
 * The pages of a column of a row group, of which only the heads are read.
 *
 * @throws FormatProblem where they do not fill their place exactly
 */
export async function* pagesOf(handle: FileHandle, place: ChunkPlace): AsyncGenerator<Page> {
  const end = place.start + place.length;
  for (let at = place.start; at < end; ) {
    const page = await pageAt(handle, at, end);
    yield page;
    at += page.headerBytes + page.bodyBytes;
    if (at > end) throw new FormatProblem('a page of it is longer than its column');
  }
}

async function pageAt(handle: FileHandle, start: number, end: number): Promise<Page> {
  for (let length = usualHeader; ; length *= 8) {
    const here = Math.min(length, end - start);
    const reader = new Reader(await readAt(handle, start, here));
    let header: Struct;
    try {
      header = reader.struct();
    } catch (error) {
      // Statistics can make a head long.
      if (error instanceof FormatProblem && here < end - start) continue;
      throw error;
    }
    const page = {
      header,
      type: header.number(pageField.type),
      start,
      headerBytes: reader.at,
      bodyBytes: header.number(pageField.compressed),
      uncompressed: header.number(pageField.uncompressed),
    };
    if (page.bodyBytes < 0 || page.uncompressed < 0) {
      throw new FormatProblem('a page of it is damaged');
    }
    if (Math.max(page.bodyBytes, page.uncompressed) > largestPage) {
      throw new FormatProblem('a page of it is larger than 512 MB');
    }
    return page;
  }
}

/** The bytes of a page behind its header, as they are stored. */
export const bodyOf = (handle: FileHandle, page: Page): Promise<Buffer> =>
  readAt(handle, page.start + page.headerBytes, page.bodyBytes);
