import { failed, invalid, type OperatorError } from '../system/errors.js';
import type { Key, Lake } from './lake.js';

/** The errors of the Lake contract, so that all stores say the same. */

type Place = Pick<Lake, 'description'>;

export const objectNotFound = (lake: Place, key: Key): OperatorError =>
  failed('OBJECT_NOT_FOUND', `There is no object ${key} in ${lake.description}.`, {
    hint: '`reviewops batch list` shows what is there.',
  });

export const objectExists = (lake: Place, key: Key): OperatorError =>
  failed('OBJECT_EXISTS', `The object ${key} exists already in ${lake.description}.`);

export const objectChanged = (lake: Place, key: Key): OperatorError =>
  failed(
    'OBJECT_CHANGED',
    `The object ${key} in ${lake.description} was changed or removed meanwhile.`,
  );

/** A key that would have to be an object and a directory at once. */
export const keyConflict = (lake: Place, key: Key, cause: unknown): OperatorError =>
  invalid(
    'KEY_CONFLICT',
    `The key ${key} cannot be stored in ${lake.description}: an object lies where a directory is needed, or the other way round.`,
    { hint: 'Move the file or directory that is in the way.', cause },
  );
