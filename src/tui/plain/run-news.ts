import type { Question } from '../../runbooks/engine/answers.js';
import type { Model } from '../state/model.js';
import { outputOf } from '../state/output.js';
import type { RunView } from '../state/run.js';
import { instructionOf } from '../view/layout.js';
import { textOf } from '../view/line.js';
import { reportLines } from '../view/report.js';
import { mostRows, unbounded, withoutSign } from './screen-news.js';

/** What the run said, did and asks since the last time. */
export function runNews(before: Model | undefined, now: Model): string[] {
  const { run } = now;
  if (run === undefined) return [];
  const old = before?.run?.startedAt === run.startedAt ? before.run : undefined;
  const fresh = run.output.total - (old?.output.total ?? 0);
  const lines = [
    ...(fresh > 0 ? outputOf(run.output).slice(-fresh) : []).map(
      ({ step, text }) => `${step}: ${text}`,
    ),
    ...run.log.slice(old === undefined ? 0 : old.log.length).map(({ text }) => text),
  ];
  if (run.question !== undefined && now.answer?.armed === true && before?.answer?.armed !== true) {
    lines.push('', ...questionLines(run.question));
  }
  if (now.answer?.problem !== undefined && now.answer.problem !== before?.answer?.problem) {
    lines.push(now.answer.problem);
  }
  if (hasEnded(run) && (old === undefined || !hasEnded(old))) {
    lines.push(
      '',
      ...reportLines(run, unbounded, now.stock.related.value).map((line) =>
        withoutSign(textOf(line)),
      ),
    );
  }
  return lines;
}

/** The report is there, or what came in its place. */
const hasEnded = ({ report, failure }: RunView): boolean =>
  report !== undefined || failure !== undefined;

function questionLines(question: Question): string[] {
  if (question.type === 'manual') return [question.instruction, instructionOf(question)];
  const { targets, notes } = question.plan;
  const more = targets.length - mostRows;
  return [
    question.text,
    ...targets
      .slice(0, mostRows)
      .map(({ action, type, name }, index) => `${index + 1}. ${action}: ${type} ${name}`),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...notes,
    instructionOf(question),
  ];
}
