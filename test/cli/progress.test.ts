import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ProgressView } from '../../src/cli/progress.js';

function view(options: { live?: boolean; quiet?: boolean; width?: number } = {}) {
  let text = '';
  let now = 0;
  const warnings: string[] = [];
  const progress = new ProgressView({
    write: (more) => {
      text += more;
    },
    live: options.live ?? false,
    quiet: options.quiet ?? false,
    terminal: { color: false, width: options.width ?? 80 },
    clock: () => now,
    warn: (message) => warnings.push(message),
  });
  return {
    progress,
    warnings,
    report: progress.report,
    /** Moves the clock and the timers. */
    pass: (milliseconds: number) => {
      now += milliseconds;
      vi.advanceTimersByTime(milliseconds);
    },
    take: () => {
      const taken = text;
      text = '';
      return taken;
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

describe('off a terminal', () => {
  it('says nothing of the start of a short task, and one line at its end', () => {
    const { report, pass, take } = view();
    report({ type: 'started', task: 'load review' });
    pass(900);
    report({ type: 'finished', task: 'load review', seconds: 0.9, summary: '3 rows' });
    pass(10_000);
    expect(take()).toBe('load review: 3 rows (0.90 s)\n');
  });

  it('says that a longer one runs, and then one line each five seconds', () => {
    const { report, pass, take } = view();
    report({ type: 'started', task: 'copy', total: 1000, unit: 'rows' });
    pass(1000);
    expect(take()).toBe('copy …\n');
    for (let second = 2; second <= 11; second += 1) {
      pass(1000);
      report({ type: 'progress', task: 'copy', done: second * 50, unit: 'rows' });
    }
    expect(take()).toBe(
      [
        'copy: 250 rows of 1,000 rows (25 %), 50 rows/s, 15 s left',
        'copy: 500 rows of 1,000 rows (50 %), 50 rows/s, 10 s left',
        '',
      ].join('\n'),
    );
  });

  it('says bytes as bytes, and no share where the total is unknown', () => {
    const { report, pass, take } = view();
    pass(0);
    report({ type: 'progress', task: 'read', done: 0, unit: 'bytes' });
    pass(5000);
    report({ type: 'progress', task: 'read', done: 10_000_000, unit: 'bytes' });
    expect(take()).toBe('read: 10.0 MB, 2.00 MB/s\n');
  });
});

describe('on a terminal', () => {
  it('redraws a line for each task in place', () => {
    const { report, pass, take } = view({ live: true });
    report({ type: 'started', task: 'a' });
    expect(take()).toBe('a …\n');
    report({ type: 'started', task: 'b' });
    expect(take()).toBe('\u001b[1A\r\u001b[Ja …\nb …\n');
    pass(500);
    report({ type: 'progress', task: 'a', done: 5, unit: 'rows' });
    expect(take()).toBe('\u001b[2A\r\u001b[Ja: 5 rows, 10 rows/s\nb …\n');
    report({ type: 'finished', task: 'a', seconds: 1 });
    expect(take()).toBe('\u001b[2A\r\u001b[J✓ a (1.0 s)\nb …\n');
  });

  it('draws at most ten times a second, and never wider than the screen', () => {
    const { report, pass, take } = view({ live: true, width: 30 });
    report({ type: 'started', task: 'a task with a very long name indeed' });
    expect(take()).toBe('a task with a very long name…\n');
    for (let step = 1; step <= 100; step += 1) {
      pass(10);
      report({ type: 'progress', task: 'x', done: step, unit: 'rows' });
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it counts
    expect(take().match(/\u001b\[J/g)).toHaveLength(10);
  });

  it('keeps messages above the lines', () => {
    const { progress, report, take } = view({ live: true });
    report({ type: 'started', task: 'a' });
    take();
    report({ type: 'notice', message: 'look' });
    expect(take()).toBe('\u001b[1A\r\u001b[Jlook\na …\n');
    progress.clear();
    expect(take()).toBe('\u001b[1A\r\u001b[J');
    expect(progress.running).toEqual([]);
  });
});

it('is silent when asked, but for warnings', () => {
  const { report, pass, take, warnings } = view({ quiet: true });
  report({ type: 'started', task: 'a' });
  report({ type: 'notice', message: 'look' });
  report({ type: 'warning', message: 'careful' });
  pass(10_000);
  report({ type: 'finished', task: 'a', seconds: 10 });
  expect(take()).toBe('');
  expect(warnings).toEqual(['careful']);
});
