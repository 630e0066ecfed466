/** What a piece of text means; the theme says how that looks. */
export type Tone =
  | 'title'
  | 'dim'
  | 'good'
  | 'caution'
  | 'bad'
  | 'accent'
  | 'selected'
  | 'key'
  | 'match'
  | 'command'
  | 'production'
  | 'elsewhere'
  | 'local';

/** As Ink's Text takes it. Only the 16 colours every terminal has, so that its own scheme holds. */
export interface Look {
  color?: string;
  backgroundColor?: string;
  bold?: boolean;
  dimColor?: boolean;
  inverse?: boolean;
  underline?: boolean;
}

export type Theme = Readonly<Record<Tone, Look>>;

const colours: Theme = {
  title: { bold: true },
  dim: { dimColor: true },
  good: { color: 'green' },
  caution: { color: 'yellow' },
  bad: { color: 'red', bold: true },
  accent: { color: 'cyan' },
  selected: { inverse: true },
  key: { color: 'cyan', bold: true },
  match: { color: 'black', backgroundColor: 'yellow' },
  command: { color: 'magenta' },
  production: { color: 'white', backgroundColor: 'red', bold: true },
  elsewhere: { color: 'black', backgroundColor: 'yellow' },
  local: { color: 'green' },
};

/** Weight and reversal only: nothing depends on a colour being seen. */
const plain: Theme = {
  title: { bold: true },
  dim: {},
  good: {},
  caution: { bold: true },
  bad: { bold: true },
  accent: {},
  selected: { inverse: true },
  key: { bold: true },
  match: { inverse: true },
  command: {},
  production: { inverse: true, bold: true },
  elsewhere: { inverse: true },
  local: {},
};

export const themeOf = (color: boolean): Theme => (color ? colours : plain);
