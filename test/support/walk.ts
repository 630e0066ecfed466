import { keys, type TestTerminal } from './terminal.js';

/** What an operator types, and reads before the next key: nothing is typed on trust. */

/** From the first screen to a runbook, by words that say what is seen. It has to be the best hit. */
export async function findRunbook(screen: TestTerminal, words: string, id: string): Promise<void> {
  await screen.see('corrupt-batch');
  screen.type('/');
  await screen.see('What do you see?');
  await line(screen, words);
  await screen.see(new RegExp(`▸ ${id} `));
  screen.type(keys.enter);
  await screen.see('Steps (');
}

/** Types a line, sees it, and presses Enter. */
export async function line(screen: TestTerminal, text: string): Promise<void> {
  await screen.enter(text);
  screen.type(keys.enter);
}

/** Starts the runbook that is shown, with its inputs as they are. */
export async function startRun(screen: TestTerminal): Promise<void> {
  screen.type(keys.enter);
  await screen.see('Look only');
  screen.type(keys.down.repeat(10));
  await screen.see(/▸ \[ Run/);
  screen.type(keys.enter);
}

/** Answers a question as it says it wants to be answered. */
export async function approve(screen: TestTerminal): Promise<void> {
  await screen.see(/Type .+ to approve/);
  await screen.see('Answer:');
  const [, expected = ''] = /Type (.+) to approve/.exec(screen.screen()) ?? [];
  await line(screen, expected);
}

/** Says what was done for a manual step. */
export async function say(screen: TestTerminal, words: string): Promise<void> {
  await screen.see('Say what you did');
  await screen.see('Answer:');
  await line(screen, words);
}

export const succeeds = (screen: TestTerminal): Promise<string> =>
  screen.see('The run succeeded.', 60_000);
