import type { Runbook } from './engine/definition.js';

/** Words that say nothing about a problem. */
const fillers = new Set(
  'a an and are as at be been by can do does for from get gets has have i in is it my of on or our the there this to was we what when why with'.split(
    ' ',
  ),
);

const wordsOf = (text: string): string[] =>
  text
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '' && !fillers.has(word))
    .map(stem);

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
 * at the best place it is found, and the less the more runbooks have it; a symptom that holds the
 * whole query comes first.
 */
export function searchRunbooks(runbooks: readonly Runbook[], query: string): Match[] {
  const words = [...new Set(wordsOf(query))];
  if (words.length === 0) return [];
  const places = runbooks.map(placesOf);
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

/** Which part of the words the text holds. */
function shareOf(words: readonly string[], text: string): number {
  const there = new Set(wordsOf(text));
  return words.filter((word) => there.has(word)).length / words.length;
}
