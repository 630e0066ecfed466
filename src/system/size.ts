const units: Record<string, number> = {
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** Bytes of a size as the configuration writes it, such as `64MB` (decimal) or `64MiB`. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kKMG]i?B)$/.exec(text);
  const unit = units[match?.[2] ?? ''];
  if (unit === undefined) throw new Error(`"${text}" is no size.`);
  return Math.round(Number(match?.[1]) * unit);
}
