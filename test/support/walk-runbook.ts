import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Text that would take over a terminal which obeys it, and text that takes more room than it seems. */
export const hostile = {
  title: '\u001b]0;owned\u0007',
  clear: '\u001b[2J\u001b[H',
  rightToLeft: '\u202egnp.exe\u202c שלום',
  wide: '一二三四五 🇩🇪 👩‍👩‍👧 ❤️',
  long: 'x'.repeat(3000),
};

export interface WalkOptions {
  /** Its first check prints 10,000 lines a second, until the file `enough` is there. */
  flood?: boolean;
  /** Targets of its plan. */
  targets?: number;
}

/**
 * A runbook of the operator's own, `sample-walk`, in a directory: a noisy check, a plan, an approval by name
 * and count, an act that waits until the file `go` is there, a manual step, and a proof.
 */
export async function writeWalk(directory: string, options: WalkOptions = {}): Promise<void> {
  const { flood = false, targets = 3 } = options;
  const noise = Object.values(hostile)
    .map((text) => JSON.stringify(text).slice(1, -1))
    .join('\\n');
  const runbook = {
    id: 'sample-walk',
    title: 'A walk for the tests',
    summary: 'Looks, plans, asks, waits and proves.',
    symptoms: ['the tests want a walk'],
    tags: ['sample'],
    roles: ['data-engineer'],
    risk: 'destroy',
    inputs: {
      name: { description: 'Whatever it is called', default: 'sample', pattern: '^[a-z]+$' },
    },
    targets: ['walk=sample'],
    steps: [
      {
        kind: 'check',
        id: 'noise',
        title: 'What does it print?',
        why: `Names may hold anything: ${hostile.clear}${hostile.rightToLeft}${hostile.wide}`,
        shell: [
          process.execPath,
          '-e',
          `console.log("${noise}");
           const { existsSync } = require('node:fs');
           let printed = 0;
           const timer = setInterval(() => {
             if (${!flood} || existsSync('enough') || !existsSync('runbooks')) return clearInterval(timer);
             let text = '';
             for (let line = 0; line < 100; line += 1) text += 'line ' + (printed += 1) + ' of the flood\\n';
             process.stdout.write(text);
           }, 10);`,
        ],
      },
      {
        kind: 'plan',
        id: 'plan',
        title: 'What is touched',
        why: 'Nothing else.',
        targets: Array.from({ length: targets }, (_, index) => ({
          type: 'thing',
          name: `thing-${index + 1}`,
          action: 'touch',
        })),
      },
      {
        kind: 'approve',
        id: 'approve',
        title: 'Touch them?',
        why: 'They cannot be untouched.',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the runbook fills it in
        name: '${input.name}',
        question: `${targets} things will be touched.`,
      },
      {
        kind: 'act',
        id: 'touch',
        title: 'Touch the things',
        why: 'That is the cure.',
        shell: [
          'sh',
          '-c',
          // Ends with the directory: nobody is left to stop it when its reviewops was killed.
          'echo waiting; while [ ! -e go ]; do [ -d runbooks ] || exit 1; sleep 0.05; done; echo done > touched',
        ],
        verify: { shell: ['test', '-e', 'touched'] },
      },
      {
        kind: 'manual',
        id: 'tell',
        title: 'Tell the team',
        why: 'They waited for it.',
        instruction: 'Tell the team that the things were touched.',
      },
      {
        kind: 'check',
        id: 'prove',
        title: 'Were they touched?',
        why: 'Only what is seen counts.',
        shell: ['test', '-e', 'touched'],
        must: true,
      },
    ],
  };
  await mkdir(join(directory, 'runbooks'), { recursive: true });
  // Every JSON document is YAML.
  await writeFile(join(directory, 'runbooks', 'sample-walk.yaml'), JSON.stringify(runbook));
}
