import { spawnSync } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import Health from '../../src/commands/health.js';

const directory = fileURLToPath(new URL('../../examples/monitoring/', import.meta.url));
const text = (name: string) => readFileSync(join(directory, name), 'utf8');
const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

/** Whether `sh` can read the script. */
const syntax = (script: string) => spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' });

it.each(readdirSync(directory))('%s names flags and checks that exist', (name) => {
  const flags = new Set([...Object.keys(Health.baseFlags), ...Object.keys(Health.flags)]);
  // As they stand in YAML lists and in scripts; --global is npm's.
  const used = [...text(name).matchAll(/(?<=\s|\[|=)--([a-z][a-z-]+)/g)].map(
    ([, flag = '']) => flag,
  );
  expect(used.filter((flag) => !flags.has(flag) && flag !== 'global')).toEqual([]);
});

describe('the GitHub Action', () => {
  interface Workflow {
    on: { schedule: { cron: string }[] };
    jobs: { health: { steps: { run?: string; uses?: string }[] } };
  }
  const workflow = parse(text('github-action.yml')) as Workflow;

  it('is a workflow whose scripts a shell can read', () => {
    expect(workflow.on.schedule[0]?.cron).toMatch(/^(\S+ ){4}\S+$/);
    const { steps } = workflow.jobs.health;
    expect(steps.every(({ run, uses }) => (run === undefined) !== (uses === undefined))).toBe(true);
    for (const { run } of steps) {
      if (run !== undefined) expect(syntax(run)).toMatchObject({ status: 0, stderr: '' });
    }
  });

  it('gives its job the status of the check', () => {
    const script = workflow.jobs.health.steps.find(({ run }) => run?.includes('health.xml'))?.run;
    const place = mkdtempSync(join(tmpdir(), 'reviewops-action-'));
    writeFileSync(join(place, 'reviewops'), '#!/bin/sh\necho "<x $*/>"; exit 2\n', { mode: 0o755 });
    const env = { PATH: `${place}:${process.env.PATH}` };
    const { status } = spawnSync('sh', ['-e', '-c', script ?? ''], { cwd: place, env });
    const written = readFileSync(join(place, 'health.xml'), 'utf8');
    rmSync(place, { recursive: true });
    expect(status).toBe(2);
    expect(written).toContain('health');
  });
});

describe('systemd', () => {
  it.skipIf(!has('systemd-analyze'))(
    'finds nothing wrong with the units (needs systemd-analyze)',
    () => {
      const place = mkdtempSync(join(tmpdir(), 'reviewops-units-'));
      const units = ['reviewops-health.service', 'reviewops-health.timer'].map((name) => {
        symlinkSync(join(directory, name), join(place, name));
        return join(place, name);
      });
      const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], {
        encoding: 'utf8',
        env: { ...process.env, SYSTEMD_LOG_LEVEL: 'warning' },
      });
      rmSync(place, { recursive: true });
      // Of our files only: the machine’s own units may have their faults.
      const ours = `${stdout}${stderr}`
        .split('\n')
        .filter((line) => line.includes('reviewops-health'));
      expect(ours).toEqual([]);
    },
  );

  it.skipIf(!has('systemd-analyze'))(
    'knows the calendar of the timer (needs systemd-analyze)',
    () => {
      const calendar = /^OnCalendar=(.*)$/m.exec(text('reviewops-health.timer'))?.[1] ?? '';
      expect(spawnSync('systemd-analyze', ['calendar', calendar]).status).toBe(0);
    },
  );

  it('starts a service of the same name, with flags that exist', () => {
    expect(text('reviewops-health.service')).toMatch(
      /^ExecStart=\/usr\/bin\/env reviewops health( --(fail-on critical|no-wake|no-input|no-color))+$/m,
    );
  });
});

describe('the Kubernetes CronJob', () => {
  it('is one, and does not run twice at once', () => {
    const job = parse(text('kubernetes-cronjob.yaml'));
    expect(job).toMatchObject({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      spec: {
        concurrencyPolicy: 'Forbid',
        jobTemplate: { spec: { backoffLimit: 0, template: { spec: { restartPolicy: 'Never' } } } },
      },
    });
    const { containers, volumes } = job.spec.jobTemplate.spec.template.spec;
    const mounted = containers[0].volumeMounts.map(({ name }: { name: string }) => name);
    expect(mounted).toEqual(volumes.map(({ name }: { name: string }) => name));
    expect(containers[0].command).toEqual(['reviewops', 'health']);
  });
});

describe('cron', () => {
  it('has a script a shell can read', () => {
    expect(syntax(text('health-cron.sh'))).toMatchObject({ status: 0, stderr: '' });
  });
});
