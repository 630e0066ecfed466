/** The middle of the values; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new Error('The median of nothing.');
  return (lower + upper) / 2;
}

/** As often as is cheap: a small job is noisy and quick, a large one neither. */
export const repetitionsFor = (reviews: number): number =>
  reviews <= 200_000 ? 5 : reviews <= 2_000_000 ? 3 : 1;
