import { Box } from 'ink';
import type { ReactElement } from 'react';
import { FormView } from '../components/form-view.js';
import { Lines, LineView } from '../components/lines.js';
import { QuestionBox } from '../components/question.js';
import { Steps } from '../components/steps.js';
import { fieldOf } from '../state/field.js';
import { type Browser, type Model, panels } from '../state/model.js';
import { widthOf } from '../text.js';
import { fieldLine } from '../view/field-line.js';
import { type BrowserLayout, bodyRows, browserLayout, panelStart } from '../view/layout.js';
import { type Line, line, span } from '../view/line.js';
import { type BrowserScreen, panelName, stepIndex, stepsShown } from '../view/panels.js';

/** A runbook that is read or run: steps at the left, what they say at the right. */
export function BrowserView({
  model,
  screen,
}: {
  model: Model;
  screen: BrowserScreen;
}): ReactElement {
  const layout = browserLayout(model, screen);
  const { left, right, stepRows } = layout;
  const rows = bodyRows(model.size);
  const { focus } = screen.browser;
  return (
    <Box>
      <Steps
        steps={stepsShown(model, screen)}
        selected={stepIndex(model, screen)}
        width={left}
        height={stepRows}
        active={focus === 'steps'}
      />
      <Lines
        lines={Array.from({ length: rows }, () => line(' │ ', 'dim'))}
        width={3}
        height={rows}
      />
      <Box flexDirection="column" width={right} height={rows}>
        {screen.name === 'runbook' && focus === 'form' ? (
          <FormView
            runbook={screen.runbook}
            form={screen.form}
            readOnly={model.readOnly}
            width={right}
            height={rows}
          />
        ) : (
          <PanelSide model={model} screen={screen} layout={layout} />
        )}
      </Box>
    </Box>
  );
}

function PanelSide({
  model,
  screen,
  layout,
}: {
  model: Model;
  screen: BrowserScreen;
  layout: BrowserLayout;
}): ReactElement {
  const { right, panelRows, question, view } = layout;
  const { browser } = screen;
  const start = panelStart(layout, browser.readings[browser.panel].offset);
  return (
    <>
      <LineView line={tabs(browser)} width={right} />
      <LineView line={below(model, browser, layout, start)} width={right} />
      {view.head === undefined ? null : <LineView line={view.head} width={right} />}
      <Lines lines={view.lines.slice(start, start + panelRows)} width={right} height={panelRows} />
      {screen.name === 'run' ? (
        <QuestionBox
          model={model}
          text={question}
          width={right}
          active={browser.focus === 'answer'}
        />
      ) : null}
    </>
  );
}

const tabs = (browser: Browser): Line =>
  panels.flatMap((panel, index) => {
    const chosen = panel === browser.panel;
    return [span(`${index + 1} ${panelName[panel]}`, chosen ? 'selected' : 'dim'), span(' ')];
  });

/** The rule below the tabs, which also says what is searched and how much there is. */
function below(
  model: Model,
  { panel, readings, focus }: Browser,
  layout: BrowserLayout,
  start: number,
): Line {
  const { query } = readings[panel];
  if (model.filtering) return [span('Find: ', 'key'), ...fieldLine(fieldOf(query))];
  const count = layout.view.lines.length;
  const end = Math.min(count, start + layout.panelRows);
  const place = count > layout.panelRows ? ` ${start + 1}–${end} of ${count} ` : '';
  const found = query === '' ? '' : ` "${query}" ([ ] go to it) `;
  return [
    span('─', 'dim'),
    span(`${found}${place}`, focus === 'panel' ? 'accent' : 'dim'),
    span('─'.repeat(Math.max(0, layout.right - 1 - widthOf(found + place))), 'dim'),
  ];
}
