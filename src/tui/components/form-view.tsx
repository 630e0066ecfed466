import type { ReactElement } from 'react';
import type { Runbook } from '../../runbooks/engine/definition.js';
import { checkForm, type Form, type FormField, starts } from '../state/form.js';
import { fieldLine } from '../view/field-line.js';
import { blank, type Line, line, span, wrapped } from '../view/line.js';
import { Lines } from './lines.js';

interface FormViewProps {
  runbook: Runbook;
  form: Form;
  readOnly: boolean;
  width: number;
  height: number;
}

/** The inputs, each with what is wrong with it, and the ways to start. */
export function FormView(props: FormViewProps): ReactElement {
  const { width, height } = props;
  const lines = formLines(props);
  const at = lines.findIndex(({ current }) => current);
  // What is being filled in stays in sight, with what is said of it.
  const start = Math.max(0, Math.min(at - Math.floor(height / 2), lines.length - height));
  return <Lines lines={lines.slice(start).map((one) => one.line)} width={width} height={height} />;
}

interface FormLine {
  line: Line;
  current: boolean;
}

function formLines({ runbook, form, readOnly, width }: FormViewProps): FormLine[] {
  const { problems } = checkForm(runbook, form);
  const fields = form.fields.flatMap((field, index) => {
    const current = index === form.cursor;
    const problem = field.touched ? problems.get(field.name) : undefined;
    const [first = blank, ...rest] = [
      valueLine(field, current),
      ...(problem === undefined ? [] : wrapped(`✗ ${problem}`, width, 'bad', 4)),
      ...(current ? wrapped(field.description, width, 'dim', 4) : []),
    ];
    return [{ line: first, current }, ...rest.map((other) => ({ line: other, current: false }))];
  });
  const whole = problems.get('');
  const labels = {
    look: 'Look only: check, plan, change nothing',
    run:
      runbook.risk === 'read'
        ? 'Run: it only reads'
        : readOnly
          ? 'Run: refused, this session is read-only'
          : 'Run: look, plan, ask you, act, prove',
  };
  return [
    ...(fields.length === 0
      ? [{ line: line('It needs no inputs.', 'dim'), current: false }]
      : fields),
    ...(whole === undefined ? [] : [{ line: line(`✗ ${whole}`, 'bad'), current: false }]),
    { line: blank, current: false },
    ...starts.map((start, index) => {
      const current = form.cursor === form.fields.length + index;
      return {
        line: [
          span(current ? '▸ ' : '  ', 'key'),
          span(`[ ${labels[start]} ]`, current ? 'selected' : undefined),
        ],
        current,
      };
    }),
  ];
}

function valueLine({ name, text, choices, required, ...field }: FormField, current: boolean): Line {
  const usual =
    field.default === undefined
      ? required
        ? 'required'
        : 'optional'
      : `default ${JSON.stringify(field.default)}`;
  const value: Line =
    choices.length > 0
      ? [span(`‹ ${text.value === '' ? usual : text.value} ›`, current ? 'selected' : undefined)]
      : current
        ? fieldLine(text, `(${field.type}, ${usual})`)
        : [text.value === '' ? span(`(${field.type}, ${usual})`, 'dim') : span(text.value)];
  return [span(current ? '▸ ' : '  ', 'key'), span(`${name}: `, 'title'), ...value];
}
