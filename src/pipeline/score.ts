import { type Config, type ScoreComponent, scoreComponents } from '../config/schema.js';
import { invalid } from '../system/errors.js';

export type ScoreWeights = Record<ScoreComponent, number>;

/**
 * Where the weights start from. `original` is the score of the marketplace's first pipeline:
 * text length 0.30, image 0.20, orders 0.10, an extreme rating 0.15, sentiment 0.25.
 */
const presets: Record<Config['pipeline']['score']['preset'], ScoreWeights> = {
  default: {
    length: 0.2,
    image: 0.15,
    verified: 0.15,
    extremity: 0.05,
    freshness: 0.15,
    votes: 0.2,
    buyer: 0.1,
    sentiment: 0,
  },
  original: {
    length: 0.3,
    image: 0.2,
    verified: 0.1,
    extremity: 0.15,
    freshness: 0,
    votes: 0,
    buyer: 0,
    sentiment: 0.25,
  },
};

/** The weights in force, which add up to 1; `WEIGHTS_INVALID` otherwise. */
export function scoreWeights(score: Config['pipeline']['score']): ScoreWeights {
  const weights = { ...presets[score.preset], ...score.weights };
  const sum = scoreComponents.reduce((total, name) => total + weights[name], 0);
  if (Math.abs(sum - 1) > 1e-6) {
    const listed = scoreComponents.map((name) => `${name} ${weights[name]}`).join(', ');
    throw invalid(
      'WEIGHTS_INVALID',
      `The score's weights add up to ${round(sum)}, not 1: ${listed}.`,
      {
        hint: `Change pipeline.score.weights; what is not set there comes from the preset "${score.preset}". \`reviewops config check\` names the lines.`,
      },
    );
  }
  return weights;
}

const round = (value: number): number => Math.round(value * 1e6) / 1e6;

export interface ExplainedComponent {
  name: ScoreComponent;
  /** 0 to 1; null where the batch was scored without it. */
  value: number | null;
  weight: number;
  /** What it adds to the score, which runs from 0 to 100. */
  points: number;
}

/** The parts of a score, the weightiest contribution first. */
export function explainScore(
  values: Record<ScoreComponent, number | null>,
  weights: ScoreWeights,
): ExplainedComponent[] {
  return scoreComponents
    .map((name) => ({
      name,
      value: values[name],
      weight: weights[name],
      points: 100 * weights[name] * (values[name] ?? 0),
    }))
    .sort((a, b) => b.points - a.points);
}
