import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSite, type Site } from '../support/site.js';
import { keys } from '../support/terminal.js';
import { approve, findRunbook, succeeds } from '../support/walk.js';

describe('the full screen, built, in a pseudo-terminal', () => {
  let site: Site;
  beforeAll(async () => {
    site = await makeSite(300);
  });
  afterAll(() => site.dispose());

  it('walks from the symptom to the verified repair; declines first', async () => {
    await rm(site.lake('gold'), { recursive: true });
    const screen = site.terminal([], { columns: 80, rows: 24 });
    await findRunbook(screen, 'no best review', 'gold-incomplete');
    screen.type(keys.enter);
    await screen.see('batchId:');
    await screen.enter('2026');
    await screen.see('is no batch id');
    screen.type('\u0015');
    await screen.lose('is no batch id');
    await screen.enter(site.batchId);
    screen.type(`${keys.enter}${keys.down}${keys.enter}`);
    await screen.see('Answer:');
    screen.type(`${keys.enter}${keys.enter}`);
    await screen.see('Enter alone answers nothing');
    await screen.enter('no');
    screen.type(keys.enter);
    await screen.see('The run aborted.');
    screen.type(keys.esc);
    await screen.see('batchId:');
    screen.type(keys.enter);
    await approve(screen);
    await succeeds(screen);
    screen.type('q');
    expect(await screen.ended).toMatchObject({ exitCode: 0 });
    expect((await site.cli(['product', 'best', 'P7'])).code).toBe(0);
  });
});
