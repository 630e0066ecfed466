import { nearest } from '../system/nearest.js';
import type { Runbook } from './engine/definition.js';

/** Words that say nothing about a problem. */
const fillers = new Set(
  'a an and are as at be been by can do does for from get gets has have i in is it my of on or our the there this to was we what when why with'.split(
    ' ',
  ),
);

const wordsOf = (text: string): string[] => {
  // `FileNotFoundError` is asked for as one word and as four.
  const apart = text.replace(/(\p{Ll})(?=\p{Lu})/gu, '$1 ');
  const both = apart === text ? text : `${text} ${apart}`;
  return both
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '' && !fillers.has(word))
    .map(stem);
};

/** `files` and `file`, `refused` and `refuse` meet. */
const stem = (word: string): string =>
  word.length > 4 ? word.replace(/(ies|ing|ed|es|s|e)$/, '') : word;

/** What a word weighs where it is found: the operator's words first. */
const weights = { symptoms: 4, title: 3, tags: 3, id: 3, summary: 1 } as const;

export interface Match {
  runbook: Runbook;
  /** Higher is closer. */
  score: number;
  /** The symptom that fits best. */
  symptom: string | undefined;
}

/**
 * The runbooks that fit what the operator sees, best first. Each word counts once for each runbook,
 * at the best place it is found, and the less the more runbooks have it; a word that no runbook has
 * counts as the one that was probably meant. A symptom that holds the whole query, or that a pasted
 * error holds, comes first.
 */
export function searchRunbooks(runbooks: readonly Runbook[], query: string): Match[] {
  const places = runbooks.map(placesOf);
  const words = meantBy(wordsOf(query), places);
  if (words.length === 0) return [];
  const rarity = new Map(
    words.map((word) => {
      const having = places.filter((place) => scoreOf(place, word) > 0).length;
      return [word, Math.log(1 + runbooks.length / Math.max(having, 1))];
    }),
  );
  return runbooks
    .map((runbook, index): Match => {
      const place = places[index] ?? placesOf(runbook);
      const score = words.reduce(
        (sum, word) => sum + scoreOf(place, word) * (rarity.get(word) ?? 0),
        0,
      );
      const [best] = runbook.symptoms
        .map((symptom) => ({ symptom, share: shareOf(words, symptom) }))
        .sort((a, b) => b.share - a.share);
      // All words in one symptom say more than the same words here and there.
      return { runbook, score: score * (1 + (best?.share ?? 0)), symptom: best?.symptom };
    })
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || (a.runbook.id < b.runbook.id ? -1 : 1));
}

/** The words, each once, with what was probably meant in place of those that nobody has. */
function meantBy(words: readonly string[], places: readonly Places[]): string[] {
  const vocabulary = new Set(places.flatMap((place) => place.flatMap((part) => part.words)));
  const meant = words.map((word) => {
    // Of three letters every word is near some other one.
    if (word.length < 4 || places.some((place) => scoreOf(place, word) > 0)) return word;
    return nearest(word, vocabulary) ?? word;
  });
  return [...new Set(meant)];
}

type Places = { weight: number; words: string[] }[];

const placesOf = ({ id, title, summary, symptoms, tags }: Runbook): Places => [
  { weight: weights.symptoms, words: symptoms.flatMap(wordsOf) },
  { weight: weights.title, words: wordsOf(title) },
  { weight: weights.tags, words: tags.flatMap(wordsOf) },
  { weight: weights.id, words: wordsOf(id) },
  { weight: weights.summary, words: wordsOf(summary) },
];

/** The best place of a word; half as much where it only begins one (`conn` in connection). */
function scoreOf(places: Places, word: string): number {
  let best = 0;
  for (const { weight, words } of places) {
    if (words.includes(word)) best = Math.max(best, weight);
    else if (word.length >= 3 && words.some((other) => other.startsWith(word))) {
      best = Math.max(best, weight / 2);
    }
  }
  return best;
}

/** Which part of the words a symptom holds; or, of a pasted error, which part of it the error holds. */
function shareOf(words: readonly string[], symptom: string): number {
  const there = new Set(wordsOf(symptom));
  const common = words.filter((word) => there.has(word)).length;
  const held = common / words.length;
  // One word alone is in any error.
  return there.size < 2 ? held : Math.max(held, common / there.size);
}
