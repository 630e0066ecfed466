import { describe } from 'vitest';
import { commandContract } from '../support/contract.js';

describe('every command', () => commandContract(() => true));
