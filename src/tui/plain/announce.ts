import type { Model } from '../state/model.js';
import { choicesOf, promptText } from '../state/overlays.js';
import { clean } from '../text.js';
import { runNews } from './run-news.js';
import { screenNews } from './screen-news.js';

/**
 * What is new since the last time, as lines in the order in which they are to be heard. Signs are
 * left out: every state has a word.
 */
export function announce(before: Model | undefined, now: Model): string[] {
  return [
    ...environmentNews(before, now),
    ...noticeNews(before, now),
    ...screenNews(before, now),
    ...runNews(before, now),
    ...overlayNews(before, now),
  ].map((line) => clean(line).trimEnd());
}

function environmentNews(before: Model | undefined, { stock, readOnly }: Model): string[] {
  const { value } = stock.environment;
  const lines: string[] = [];
  if (value !== undefined && value !== before?.stock.environment.value) {
    lines.push(`Connected to: ${value.name}. ${value.detail}`);
  }
  if (readOnly && before?.readOnly !== true) lines.push('Read-only: nothing is changed.');
  return lines;
}

const noticeNews = (before: Model | undefined, { notice }: Model): string[] =>
  notice === undefined || notice === before?.notice ? [] : [notice.text];

function overlayNews(before: Model | undefined, now: Model): string[] {
  const { overlay } = now;
  if (overlay === undefined) return [];
  if (overlay.name === 'prompt') {
    if (before?.overlay?.name !== 'prompt' || before.overlay.purpose !== overlay.purpose) {
      return [promptText(overlay.purpose)];
    }
    return overlay.problem === undefined || overlay.problem === before.overlay.problem
      ? []
      : [overlay.problem];
  }
  if (before?.overlay?.name === overlay.name) return [];
  const choices = choicesOf(now);
  if (choices.length === 0) return ['Nothing is called that. Type help for what can be typed.'];
  return choices.map(({ name, description }) => `${name}: ${description}`);
}
