const units = { d: 86_400, h: 3_600, m: 60, s: 1 } as const;

/** Seconds of a duration as people write it: `30d`, `12h`, `45m`, `90s`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([dhms])$/.exec(text.trim()) ?? [];
  const seconds = Number(number) * (units[unit as keyof typeof units] ?? Number.NaN);
  return number !== '' && Number.isFinite(seconds) ? seconds : undefined;
}

/** `3m 12s`, `2.4 s`: for people. Takes seconds. */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const parts: string[] = [];
  let rest = Math.round(seconds);
  for (const [name, size] of Object.entries(units)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${name}`);
  }
  return parts.slice(0, 2).join(' ');
}

/** `1.2 GB`, decimal units: for people. */
export function formatBytes(bytes: number): string {
  const names = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let index = 0;
  while (value >= 1000 && index < names.length - 1) {
    value /= 1000;
    index += 1;
  }
  return `${index === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${names[index]}`;
}

/** `1,234,567`: for people. Without Intl, which takes 10 ms to load. */
export const formatCount = (count: number): string =>
  String(Math.round(count)).replace(/\B(?=(?:\d{3})+$)/g, ',');
