import { Box } from 'ink';
import type { ReactElement } from 'react';
import { BrowserView } from '../screens/browser.js';
import { Home } from '../screens/home.js';
import { ListScreenView } from '../screens/list-screen.js';
import { isTooSmall, type Model, shown, smallest } from '../state/model.js';
import type { Theme } from '../theme.js';
import { bodyRows } from '../view/layout.js';
import { blank, type Line, wrapped } from '../view/line.js';
import { hasBrowser } from '../view/panels.js';
import { Footer } from './footer.js';
import { Header } from './header.js';
import { Lines } from './lines.js';
import { OverlayView } from './overlay.js';
import { ThemeContext } from './theme-context.js';

/** The whole screen, from the state and nothing else. */
export function App({ model, theme }: { model: Model; theme: Theme }): ReactElement {
  return (
    <ThemeContext.Provider value={theme}>
      {isTooSmall(model.size) ? <TooSmall model={model} /> : <Full model={model} />}
    </ThemeContext.Provider>
  );
}

function Full({ model }: { model: Model }): ReactElement {
  const { columns, rows } = model.size;
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <Header model={model} />
      <Box height={bodyRows(model.size)} width={columns}>
        <Body model={model} />
      </Box>
      <Footer model={model} />
    </Box>
  );
}

function Body({ model }: { model: Model }): ReactElement {
  const { overlay } = model;
  const screen = shown(model);
  if (overlay !== undefined) return <OverlayView model={model} overlay={overlay} />;
  if (screen.name === 'home') return <Home model={model} screen={screen} />;
  if (hasBrowser(screen)) return <BrowserView model={model} screen={screen} />;
  return <ListScreenView model={model} screen={screen} />;
}

function TooSmall({ model: { size, run } }: { model: Model }): ReactElement {
  const { columns, rows } = size;
  const lines: Line[] = [
    ...wrapped(
      `This terminal has ${columns}×${rows}; at least ${smallest.columns}×${smallest.rows} are needed.`,
      columns,
      'title',
    ),
    ...wrapped('Enlarge it: everything is still there. Ctrl-C stops.', columns),
    blank,
    ...(run === undefined
      ? []
      : wrapped(
          `Run of ${run.runbook.id}: ${run.question === undefined ? run.phase : 'waits for your answer'}.`,
          columns,
        )),
  ];
  return <Lines lines={lines.slice(0, rows)} width={columns} height={rows} />;
}
