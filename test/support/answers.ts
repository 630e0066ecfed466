import type { Answer, Ask } from '../../src/runbooks/engine/answers.js';

/** Ada, who approves everything or nothing, and does what she is asked to. */
export const answering =
  (answer: 'yes' | 'no'): Ask =>
  async (question): Promise<Answer> => {
    if (question.type === 'manual') return { type: 'done', by: 'ada', said: 'done as asked' };
    return answer === 'yes' ? { type: 'yes', by: 'ada', how: 'typed' } : { type: 'no', by: 'ada' };
  };
